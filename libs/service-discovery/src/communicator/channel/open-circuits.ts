import { type CircuitBreaker, shareOfInstances } from '../../resilience/index.js';

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
export class CircuitLimit {
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
