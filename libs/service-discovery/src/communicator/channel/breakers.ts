import { type Clock, type Random } from '../../common/index.js';
import { type EventSink } from '../../model/index.js';
import {
  CircuitBreaker,
  type CircuitSnapshot,
  FORCED_CIRCUITS,
  type ForcedCircuit,
  reportCircuit,
  type ResolvedCircuitBreakerOptions,
} from '../../resilience/index.js';

/** What a circuit is held at by hand; `automatic` lets it go by its calls again. */
export type CircuitCommand = (typeof CIRCUIT_COMMANDS)[number];
export const CIRCUIT_COMMANDS = [...FORCED_CIRCUITS, 'automatic'] as const;

/** How a breaker stands. */
export interface CircuitBreakerView extends CircuitSnapshot {
  readonly service: string;
  /** Undefined where the breaker is that of the service as a whole. */
  readonly instanceId?: string;
}

/** What breakers are made with. */
export interface BreakerDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly events: EventSink;
}

/** The breakers of one instance, or of a service as a whole: one for all callers whose breaker settings are the same. */
export class Breakers {
  private readonly bySettings = new Map<string, CircuitBreaker>();
  /** The one that was asked for last, mostly the only one: with many instances a map costs the wait for memory. */
  private latest: CircuitBreaker | undefined = undefined;
  private latestKey: string | undefined = undefined;
  private forced: ForcedCircuit | undefined;

  constructor(
    private readonly subject: { readonly service: string; readonly instanceId?: string },
    private readonly deps: BreakerDeps,
  ) {}

  /** Whether somebody holds the circuit by hand. */
  get isForced(): boolean {
    return this.forced !== undefined;
  }

  /** Whether a call by these settings would be refused now. */
  refuses(key: string): boolean {
    // Also those are held who have not called yet, or have no breaker.
    return this.forced === 'isolated' || this.find(key)?.canAcquire() === false;
  }

  /** Undefined where nobody has called by these settings. */
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
    if (!breaker) this.bySettings.set(key, (breaker = this.create(options)));
    return breaker;
  }

  /** Holds all of them at a state, those too that are made later. */
  command(command: CircuitCommand): void {
    this.forced = command === 'automatic' ? undefined : command;
    for (const breaker of this.bySettings.values()) {
      if (this.forced) breaker.force(this.forced);
      else breaker.reset();
    }
  }

  /** Lets probes through at once where a circuit is open; those that are held by hand stay. */
  halfOpen(): void {
    for (const breaker of this.bySettings.values()) breaker.halfOpen();
  }

  /** Closes those that nobody holds. */
  startAnew(): void {
    if (this.forced) return;
    for (const breaker of this.bySettings.values()) breaker.reset();
  }

  views(): CircuitBreakerView[] {
    return [...this.bySettings.values()].map((breaker) => ({ ...this.subject, ...breaker.snapshot() }));
  }

  private create(options: ResolvedCircuitBreakerOptions): CircuitBreaker {
    const { clock, random, events } = this.deps;
    const { service, instanceId } = this.subject;
    const breaker = new CircuitBreaker(options, {
      clock,
      random,
      name: instanceId === undefined ? service : `${service}/${instanceId}`,
      onStateChange: reportCircuit(events, this.subject),
    });
    if (this.forced) breaker.force(this.forced);
    return breaker;
  }
}
