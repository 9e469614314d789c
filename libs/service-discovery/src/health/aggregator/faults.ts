import { type AggregatedStatus, type Fault } from './aggregated-health.js';

/** What fault detection needs to know of a service. */
export interface DependentService {
  readonly status: AggregatedStatus;
  /** Names of the services that it calls. */
  readonly dependencies: readonly string[];
}

/** Root causes, and which services they affect. */
export interface Impact {
  readonly faults: readonly Fault[];
  /** By service: the services at fault that it depends on, whether it is unhealthy already or not. */
  readonly affectedBy: ReadonlyMap<string, readonly string[]>;
}

const NONE: Impact['affectedBy'] = new Map();

/**
 * Limits the faults recorded per service. Registrations may name services that do not exist and form long chains;
 * without a limit, each service would hold every fault below it.
 */
const MOST_ORIGINS = 100;

/**
 * Separates root causes from their consequences. A service that is unhealthy, or required and not registered, is a
 * fault unless a service that it depends on, directly or transitively, is one; then it is a cascade of that fault.
 * Services that depend on each other in a cycle are treated as one, since it cannot be determined which of them failed
 * first.
 *
 * A single walk finds the cycles and visits dependencies before their dependents (Tarjan, "Depth-first search and
 * linear graph algorithms", 1972). It is skipped if no service declares dependencies.
 * @param missing names of services that are required or depended on and not registered
 */
export function findFaults(services: ReadonlyMap<string, DependentService>, missing: ReadonlySet<string>): Impact {
  const isBad = (name: string): boolean => missing.has(name) || services.get(name)?.status === 'unhealthy';
  const bad = [...services.keys(), ...missing].filter(isBad);
  const declares = [...services.values()].some(({ dependencies }) => dependencies.length > 0);
  if (bad.length === 0 || !declares) {
    return { faults: bad.map((name) => makeFault([name], missing, [], [])).sort(byImpact), affectedBy: NONE };
  }
  const origins = new Map<string, ReadonlySet<FaultBuilder>>();
  const found: FaultBuilder[] = [];
  for (const circle of circlesOf([...services.keys(), ...missing], services)) {
    const below = originsBelow(circle, services, origins);
    if (below.size === 0 && circle.some(isBad)) {
      const fault = { services: circle.filter(isBad), cascades: [], atRisk: [] };
      found.push(fault);
      below.add(fault);
    }
    for (const name of circle) {
      origins.set(name, below);
      for (const fault of below)
        if (!fault.services.includes(name)) (isBad(name) ? fault.cascades : fault.atRisk).push(name);
    }
  }
  const affectedBy = new Map<string, readonly string[]>();
  for (const [name, faults] of origins) {
    const others = [...faults].filter((fault) => !fault.services.includes(name));
    if (others.length > 0 && services.has(name)) affectedBy.set(name, others.flatMap((fault) => fault.services).sort());
  }
  return {
    faults: found.map((fault) => makeFault(fault.services, missing, fault.cascades, fault.atRisk)).sort(byImpact),
    affectedBy,
  };
}

function originsBelow(
  circle: readonly string[],
  services: ReadonlyMap<string, DependentService>,
  origins: ReadonlyMap<string, ReadonlySet<FaultBuilder>>,
): Set<FaultBuilder> {
  const below = new Set<FaultBuilder>();
  for (const name of circle) {
    for (const dependency of dependenciesOf(services, name)) {
      for (const fault of origins.get(dependency) ?? []) {
        if (below.size >= MOST_ORIGINS) return below;
        below.add(fault);
      }
    }
  }
  return below;
}

interface FaultBuilder {
  readonly services: readonly string[];
  readonly cascades: string[];
  readonly atRisk: string[];
}

function makeFault(
  services: readonly string[],
  missing: ReadonlySet<string>,
  cascades: readonly string[],
  atRisk: readonly string[],
): Fault {
  // A service that is not registered has no dependencies, so it is in no cycle.
  const kind = missing.has(services[0]!) ? 'not_registered' : 'unhealthy';
  return { services: [...services].sort(), kind, cascades: [...cascades].sort(), atRisk: [...atRisk].sort() };
}

/** Widest impact first. */
function byImpact(one: Fault, other: Fault): number {
  const reach = ({ cascades, atRisk }: Fault): number => cascades.length + atRisk.length;
  return reach(other) - reach(one) || (one.services[0]! < other.services[0]! ? -1 : 1);
}

function dependenciesOf(services: ReadonlyMap<string, DependentService>, name: string): readonly string[] {
  return services.get(name)?.dependencies ?? [];
}

/**
 * The strongly connected components, dependencies first. Iterative, since long chains would overflow the call stack.
 */
function* circlesOf(
  names: readonly string[],
  services: ReadonlyMap<string, DependentService>,
): Generator<readonly string[]> {
  /** In order of discovery; `low` is the earliest node reachable from here. */
  const seen = new Map<string, { readonly at: number; low: number; open: boolean }>();
  const path: string[] = [];
  for (const start of names) {
    if (seen.has(start)) continue;
    const walk: { readonly name: string; readonly next: Iterator<string> }[] = [];
    const enter = (name: string): void => {
      seen.set(name, { at: seen.size, low: seen.size, open: true });
      path.push(name);
      walk.push({ name, next: dependenciesOf(services, name)[Symbol.iterator]() });
    };
    enter(start);
    for (let here = walk.at(-1); here; here = walk.at(-1)) {
      const mark = seen.get(here.name)!;
      const step = here.next.next();
      if (!step.done) {
        const other = seen.get(step.value);
        if (!other) enter(step.value);
        else if (other.open) mark.low = Math.min(mark.low, other.at);
        continue;
      }
      walk.pop();
      const before = walk.at(-1);
      if (before) {
        const above = seen.get(before.name)!;
        above.low = Math.min(above.low, mark.low);
      }
      if (mark.low !== mark.at) continue;
      const circle = path.splice(path.lastIndexOf(here.name));
      for (const name of circle) seen.get(name)!.open = false;
      yield circle;
    }
  }
}
