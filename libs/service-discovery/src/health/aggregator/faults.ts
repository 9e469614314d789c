import { type AggregatedStatus, type Fault } from './aggregated-health.js';

/** What is known of a service here. */
export interface DependentService {
  readonly status: AggregatedStatus;
  /** Names of the services that it calls. */
  readonly dependencies: readonly string[];
}

/** What is out of order, and whom that concerns. */
export interface Impact {
  readonly faults: readonly Fault[];
  /** By service: those faults' services that it depends on, whether it suffers from them already or not. */
  readonly affectedBy: ReadonlyMap<string, readonly string[]>;
}

const NOBODY: Impact['affectedBy'] = new Map();

/**
 * Of so many faults at most a service is told to be a consequence. Whoever registers can name what does not exist, and
 * chain services after each other: each would otherwise keep all that those below it name.
 */
const MOST_ORIGINS = 100;

/**
 * Tells faults from their consequences. A service that is unhealthy, or that is counted on and not registered, is a fault
 * unless something that it depends on, directly or through others, is one: then it is a cascade of that. Services that
 * depend on each other in a circle are looked at as one: which of them failed first cannot be told.
 *
 * One walk over all services and their dependencies, which finds the circles, and what is depended on before who depends
 * (Tarjan, "Depth-first search and linear graph algorithms", 1972); where nobody declares any, none.
 * @param missing names that are counted on and not registered
 */
export function findFaults(services: ReadonlyMap<string, DependentService>, missing: ReadonlySet<string>): Impact {
  const isBad = (name: string): boolean => missing.has(name) || services.get(name)?.status === 'unhealthy';
  const bad = [...services.keys(), ...missing].filter(isBad);
  const declares = [...services.values()].some(({ dependencies }) => dependencies.length > 0);
  if (bad.length === 0 || !declares) {
    return { faults: bad.map((name) => makeFault([name], missing, [], [])).sort(byImpact), affectedBy: NOBODY };
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
  // What is not registered depends on nothing, so it is in no circle.
  const kind = missing.has(services[0]!) ? 'not_registered' : 'unhealthy';
  return { services: [...services].sort(), kind, cascades: [...cascades].sort(), atRisk: [...atRisk].sort() };
}

/** What affects most comes first. */
function byImpact(one: Fault, other: Fault): number {
  const reach = ({ cascades, atRisk }: Fault): number => cascades.length + atRisk.length;
  return reach(other) - reach(one) || (one.services[0]! < other.services[0]! ? -1 : 1);
}

function dependenciesOf(services: ReadonlyMap<string, DependentService>, name: string): readonly string[] {
  return services.get(name)?.dependencies ?? [];
}

/** The strongly connected components: those that are depended on first. By a stack, since chains may be long. */
function* circlesOf(
  names: readonly string[],
  services: ReadonlyMap<string, DependentService>,
): Generator<readonly string[]> {
  /** In order of discovery; `low` is the first that can be reached back to. */
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
