import { type Clock, type Random } from '../../common/index.js';
import { type EventSink } from '../../model/index.js';
import {
  CircuitBreaker,
  type CircuitSnapshot,
  FORCED_CIRCUITS,
  type ForcedCircuit,
  reportCircuit,
  type ResolvedCircuitBreakerOptions,
  shareOfInstances,
} from '../../resilience/index.js';

/** Forces the state of a circuit; `automatic` returns control to the outcome of calls. */
export type CircuitCommand = (typeof CIRCUIT_COMMANDS)[number];
export const CIRCUIT_COMMANDS = [...FORCED_CIRCUITS, 'automatic'] as const;

/** State of a breaker. */
export interface CircuitBreakerView extends CircuitSnapshot {
  readonly service: string;
  /** Undefined for the breaker of the service as a whole. */
  readonly instanceId?: string;
}

/** Collaborators of breakers. */
export interface BreakerDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly events: EventSink;
}

/** The breakers of one instance or of a service as a whole, shared by callers with the same breaker settings. */
export class Breakers {
  private readonly bySettings = new Map<string, CircuitBreaker>();
  /** Last breaker looked up; with many instances it avoids a cache-missing Map lookup. */
  private latest: CircuitBreaker | undefined = undefined;
  private latestKey: string | undefined = undefined;
  private forced: ForcedCircuit | undefined;
  private hasLeft = false;

  constructor(
    private readonly subject: { readonly service: string; readonly instanceId?: string },
    private readonly deps: BreakerDeps,
    /** Bounds how many circuits of the service are open; undefined for that of the service as a whole. */
    private readonly openCircuits?: OpenCircuits,
  ) {}

  /** Whether an operator forces the state of the circuit. */
  get isForced(): boolean {
    return this.forced !== undefined;
  }

  /** Whether a call with these settings would be refused now. */
  refuses(key: string): boolean {
    // An operator's command also applies to callers that have no breaker or have not called yet.
    return this.forced === 'isolated' || this.find(key)?.canAcquire() === false;
  }

  /** Undefined if no call with these settings has been made. */
  find(key: string): CircuitBreaker | undefined {
    if (key !== this.latestKey) {
      const found = this.bySettings.get(key);
      if (!found) return undefined;
      this.latest = found;
      this.latestKey = key;
    }
    return this.latest;
  }

  of(key: string, options: ResolvedCircuitBreakerOptions): CircuitBreaker {
    let breaker = this.find(key);
    if (!breaker) this.bySettings.set(key, (breaker = this.create(key, options)));
    return breaker;
  }

  /** Forces all breakers into a state, including those created later. */
  command(command: CircuitCommand): void {
    this.forced = command === 'automatic' ? undefined : command;
    for (const breaker of this.bySettings.values()) {
      if (this.forced) breaker.force(this.forced);
      else breaker.reset();
    }
  }

  /** Lets probes through at once where a circuit is open, except where an operator forces it. */
  halfOpen(): void {
    for (const breaker of this.bySettings.values()) breaker.halfOpen();
  }

  /** Closes the circuits that no operator forces. */
  startAnew(): void {
    if (this.forced) return;
    for (const breaker of this.bySettings.values()) breaker.reset();
  }

  /** The instance is gone: its circuits no longer count among those that are open. */
  leave(): void {
    this.hasLeft = true;
    for (const breaker of this.bySettings.values()) this.openCircuits?.forget(breaker);
  }

  views(): CircuitBreakerView[] {
    return [...this.bySettings.values()].map((breaker) => ({ ...this.subject, ...breaker.snapshot() }));
  }

  private create(key: string, options: ResolvedCircuitBreakerOptions): CircuitBreaker {
    const { clock, random, events } = this.deps;
    const { service, instanceId } = this.subject;
    const report = reportCircuit(events, this.subject);
    const limit = this.openCircuits?.of(key, options.maxOpenShare);
    const breaker: CircuitBreaker = new CircuitBreaker(options, {
      clock,
      random,
      name: instanceId === undefined ? service : `${service}/${instanceId}`,
      mayOpen: () => limit?.admits(breaker) ?? true,
      onStateChange: (change) => {
        // A call that was under way when the instance left may still open the circuit.
        if (!this.hasLeft) limit?.follow(breaker);
        report(change);
      },
    });
    if (this.forced) breaker.force(this.forced);
    return breaker;
  }
}

/**
 * Which circuits of a service's instances are not closed, and how many may be (`maxOpenShare`). Counted apart for each
 * settings of breakers, since callers see only the circuits of their own settings. A circuit that an operator isolated
 * counts as open; an operator may open any number.
 */
export class OpenCircuits {
  private readonly bySettings = new Map<string, CircuitLimit>();
  private instances = 0;

  /** @param key of the settings */
  of(key: string, maxOpenShare: number): CircuitLimit {
    let limit = this.bySettings.get(key);
    if (!limit)
      this.bySettings.set(key, (limit = new CircuitLimit(() => shareOfInstances(maxOpenShare, this.instances))));
    return limit;
  }

  /** Drops the circuit of an instance that has left. */
  forget(breaker: CircuitBreaker): void {
    for (const limit of this.bySettings.values()) limit.forget(breaker);
  }

  /** Sets the number of instances. */
  retain(instances: number): void {
    const hasFewer = instances < this.instances;
    this.instances = instances;
    if (hasFewer) for (const limit of this.bySettings.values()) limit.keep();
  }
}

/** The open circuits of one service and one setting of breakers. */
class CircuitLimit {
  private readonly open = new Set<CircuitBreaker>();

  constructor(private readonly mayBeOpen: () => number) {}

  /** Whether a circuit may open, or open again. */
  admits(breaker: CircuitBreaker): boolean {
    return this.open.size - Number(this.open.has(breaker)) < this.mayBeOpen();
  }

  /** Call it when the state of a circuit has changed. */
  follow(breaker: CircuitBreaker): void {
    if (breaker.state === 'closed') this.open.delete(breaker);
    else this.open.add(breaker);
  }

  forget(breaker: CircuitBreaker): void {
    this.open.delete(breaker);
  }

  /** When instances have left, fewer may be open: the circuits that would be probed first are probed at the next call. */
  keep(): void {
    const open = [...this.open].filter(({ state }) => state === 'open');
    const halfOpen = [...this.open].filter(({ state }) => state === 'half_open').length;
    const excess = this.open.size - halfOpen - this.mayBeOpen();
    if (excess <= 0) return;
    open.sort((one, other) => one.retryAfterMs! - other.retryAfterMs!);
    for (const breaker of open.slice(0, excess)) breaker.halfOpen();
  }
}
