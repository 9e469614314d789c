import { findInstance, steadyList, type Change, type RegistrySnapshot } from '../../model/index.js';
import { type ServiceRegistry } from '../../registry/index.js';
import { NO_FINDINGS, type PassiveHealth } from '../passive-health.js';
import { type AggregatedStatus, type ServiceStatusChange } from './aggregated-health.js';
import { isNewsOfStanding, ServiceStanding } from './service-standing.js';

/** What aggregation needs of a `ServiceRegistry`. */
export type AggregatedRegistry = Pick<ServiceRegistry, 'snapshot' | 'ageMs' | 'onChange'>;

/**
 * How each service of a registry stands. Notes at each change which service it is about, and looks at that one again when
 * somebody asks: nothing is done for heartbeats, for checks that find what the last one did, or while nobody asks.
 */
export class ServiceStandings {
  private readonly standings = new Map<string, ServiceStanding>();
  /** Services to look at again, all changes up to `noted` considered. */
  private readonly changed = new Set<string>();
  private noted: RegistrySnapshot | undefined;
  private scope: RegistrySnapshot['scope'];
  private isReady = false;
  private revision = 0;
  /** What services were that moved since somebody asked last; undefined while nobody wants to know. */
  private moved: Map<string, AggregatedStatus | null> | undefined;

  /** @param passive what calls found, which counts where nobody has checked */
  constructor(
    private readonly registry: Pick<AggregatedRegistry, 'snapshot'>,
    private readonly passive?: Pick<PassiveHealth, 'findingsOn'>,
  ) {}

  /** Another one whenever a service came, went, or stands otherwise than before, or may be missed from now on. */
  get version(): number {
    this.refresh();
    return this.revision;
  }

  /** Undefined: no such service is registered. */
  get(name: string): ServiceStanding | undefined {
    this.refresh();
    return this.standings.get(name);
  }

  /** By service name, in no order. */
  all(): ReadonlyMap<string, ServiceStanding> {
    this.refresh();
    return this.standings;
  }

  /** Whether it is certain that a service is not registered: the registry has answered, and this process reads it. */
  isMissing(name: string): boolean {
    const { ready, scope, services } = this.registry.snapshot;
    return ready && scope?.has(name) !== false && !services.has(name);
  }

  /** The services that have another status than when this was called last; remembers them from then on. */
  takeMoves(): readonly ServiceStatusChange[] {
    this.refresh();
    const moves: ServiceStatusChange[] = [];
    for (const [service, from] of this.moved ?? []) {
      const to = this.standings.get(service)?.status ?? null;
      if (from !== to) moves.push({ service, from, to });
    }
    this.moved = new Map();
    return moves.sort((one, other) => (one.service < other.service ? -1 : 1));
  }

  /** Nobody asks for moves any more. */
  forgetMoves(): void {
    this.moved = undefined;
  }

  /** Calls may have found something else of a service. */
  noteFindings(name: string): void {
    this.changed.add(name);
  }

  /** @returns whether it may be news */
  note(snapshot: RegistrySnapshot, previous: RegistrySnapshot, change: Change | null): boolean {
    // Who asked in the midst of the changes, as another listener may, was told by a look at everything.
    if (this.noted !== previous || change?.type === 'reset') return true;
    this.noted = snapshot;
    switch (change?.type) {
      case 'put':
        if (!isNewsOfStanding(findInstance(previous, change.instance), change.instance)) return false;
        this.changed.add(change.instance.serviceName);
        return true;
      case 'remove':
        this.changed.add(change.key.serviceName);
        return true;
      case undefined:
        return true;
      case 'renewed':
      case 'hold':
        return false;
    }
  }

  private refresh(): void {
    const { snapshot } = this.registry;
    if (this.noted !== snapshot) {
      for (const name of this.standings.keys()) if (!snapshot.services.has(name)) this.changed.add(name);
      for (const [name, list] of snapshot.services) {
        const known = this.standings.get(name);
        if (!known || steadyList(known.instances) !== steadyList(list)) this.changed.add(name);
      }
      this.noted = snapshot;
    }
    const { ready, scope } = snapshot;
    if (this.changed.size === 0 && ready === this.isReady && scope === this.scope) return;
    [this.isReady, this.scope] = [ready, scope];
    for (const name of this.changed) {
      if (this.moved?.has(name) === false) this.moved.set(name, this.standings.get(name)?.status ?? null);
      const list = snapshot.services.get(name);
      if (list) this.standings.set(name, new ServiceStanding(list, this.passive?.findingsOn(name) ?? NO_FINDINGS));
      else this.standings.delete(name);
    }
    this.changed.clear();
    this.revision += 1;
  }
}
