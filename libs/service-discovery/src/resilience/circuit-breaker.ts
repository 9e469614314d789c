import { CircuitOpenError, raceAbort, systemClock, type Clock, type OutcomeClass } from '../common/index.js';
import { type CircuitState } from '../model/index.js';
import {
  resolveCircuitBreakerOptions,
  type CircuitBreakerOptions,
  type ResolvedCircuitBreakerOptions,
} from './circuit-breaker-options.js';
import { classifyAbort, classifyError } from './classify.js';
import { ConsecutiveFailures } from './consecutive-failures.js';

/** One step of a circuit breaker from a state to another. */
export interface CircuitStateChange {
  readonly from: CircuitState;
  readonly to: CircuitState;
  /** The failures that counted at the change. */
  readonly failures: number;
  /** How long calls are refused from now on, where time ends that: not when isolated by hand. */
  readonly retryAfterMs?: number;
}

/** The right to make one call. Whoever took it settles it when the call has ended, however it ended. */
export interface CircuitPermit {
  /** Says how the call ended: `ignored` only gives the permit back. The first call counts, later ones do nothing. */
  settle(outcome: OutcomeClass): void;
}

export interface CircuitBreakerDeps {
  /** @default the system's clock */
  clock?: Clock;
  /** What is protected: the `service` of the errors. @default none */
  name?: string;
  /** Hears of each change once the breaker is in its new state; what it throws is dropped. */
  onStateChange?: (change: CircuitStateChange) => void;
  /** What an error of `execute`'s function means. @default classifyError */
  classify?: (error: unknown) => OutcomeClass;
}

interface Permit extends CircuitPermit {
  readonly startedAt: number;
}

/**
 * Stops calls to what keeps failing, and lets a few probes through after a while.
 *
 * - The circuit has no timer. The step from open to half open is made by the first call that asks after
 *   `recoveryTimeout`; until then `state` stays `open`, with `retryAfterMs` at 0.
 * - A call counts only in the state in which it began: one from before the circuit opened says nothing about the probes.
 * - A probe that has not ended within `recoveryTimeout` no longer takes a permit, so that a lost one cannot keep the
 *   circuit half open for ever; should it end after all, its outcome still counts.
 */
export class CircuitBreaker {
  private readonly options: ResolvedCircuitBreakerOptions;
  private readonly clock: Clock;
  private readonly name: string | undefined;
  private readonly onStateChange: (change: CircuitStateChange) => void;
  private readonly classify: (error: unknown) => OutcomeClass;

  private readonly run: ConsecutiveFailures;
  /** Probes under way, oldest first. */
  private readonly probes = new Set<Permit>();
  private current: CircuitState = 'closed';
  /** Grows with each change of state, so that outcomes of earlier states are told apart. */
  private epoch = 0;
  private openedAt = 0;
  private openedAfter = 0;
  private successes = 0;

  /** @throws InvalidConfigurationError naming every wrong option */
  constructor(options?: Partial<CircuitBreakerOptions>, deps: CircuitBreakerDeps = {}) {
    this.options = resolveCircuitBreakerOptions(options);
    this.clock = deps.clock ?? systemClock;
    this.name = deps.name;
    this.onStateChange = deps.onStateChange ?? (() => undefined);
    this.classify = deps.classify ?? classifyError;
    this.run = new ConsecutiveFailures(this.options.failureThreshold, this.options.window);
  }

  get state(): CircuitState {
    return this.current;
  }

  /** The consecutive failures that count now; once the circuit has opened, those that opened it. */
  get failures(): number {
    return this.current === 'closed' ? this.run.count(this.clock.now()) : this.openedAfter;
  }

  /**
   * How long until a call may be let through; undefined where nothing is refused, and where only `reset` ends the
   * refusal. While all probes are under way it is the time after which the oldest no longer counts: the longest wait.
   */
  get retryAfterMs(): number | undefined {
    const { recoveryTimeout } = this.options;
    const now = this.clock.now();
    if (this.current === 'open') return Math.max(0, this.openedAt + recoveryTimeout - now);
    if (this.current !== 'half_open' || this.canProbe(now)) return undefined;
    const [oldest] = this.probes;
    return oldest && oldest.startedAt + recoveryTimeout - now;
  }

  /** Whether `tryAcquire` would give a permit now. Takes and changes nothing. */
  canAcquire(): boolean {
    switch (this.current) {
      case 'closed':
        return true;
      case 'open':
        return this.retryAfterMs === 0;
      case 'half_open':
        return this.canProbe(this.clock.now());
      case 'isolated':
        return false;
    }
  }

  /** A permit for one call, or null where the circuit refuses it. */
  tryAcquire(): CircuitPermit | null {
    if (!this.canAcquire()) return null;
    if (this.current === 'open') this.changeTo('half_open');
    const permit = this.createPermit();
    if (this.current === 'half_open') this.probes.add(permit);
    return permit;
  }

  /**
   * Runs `fn` where the circuit lets it. When `signal` aborts, the call is over and its permit given back even if `fn`
   * never settles. An abort by the caller counts neither as a success nor as a failure; a deadline that passed is a failure.
   * @throws CircuitOpenError, with `retryAfterMs` unless isolated, and `fn` is not called; the signal's reason when it aborts; what `fn` throws
   */
  async execute<T>(fn: (signal?: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    const permit = this.tryAcquire();
    if (!permit) throw this.refusal();
    try {
      const result = await (signal ? raceAbort(fn(signal), signal) : fn());
      permit.settle('success');
      return result;
    } catch (error) {
      permit.settle(signal?.aborted && error === signal.reason ? classifyAbort(error) : this.classify(error));
      throw error;
    }
  }

  /** The error for a call that is refused now. */
  refusal(): CircuitOpenError {
    const { name: service, retryAfterMs } = this;
    const subject = service === undefined ? 'The circuit' : `The circuit of "${service}"`;
    if (this.current === 'isolated') return new CircuitOpenError(`${subject} was opened by hand`, { service });
    const until = retryAfterMs === undefined ? '' : `: try again in ${Math.ceil(retryAfterMs)} ms`;
    return new CircuitOpenError(`${subject} is open after too many failures${until}`, { service, retryAfterMs });
  }

  /** Refuses every call until `reset`. Does nothing when isolated already. */
  isolate(): void {
    if (this.current !== 'isolated') this.changeTo('isolated');
  }

  /** Closes the circuit, whatever its state, and forgets the failures. */
  reset(): void {
    this.run.clear();
    if (this.current !== 'closed') this.changeTo('closed');
  }

  private createPermit(): Permit {
    const { epoch } = this;
    let settled = false;
    const permit: Permit = {
      startedAt: this.clock.now(),
      settle: (outcome) => {
        if (settled) return;
        settled = true;
        if (epoch !== this.epoch) return;
        this.probes.delete(permit);
        this.record(outcome);
      },
    };
    return permit;
  }

  private record(outcome: OutcomeClass): void {
    switch (outcome) {
      case 'ignored':
        return;
      case 'success':
        this.run.clear();
        if (this.current === 'half_open' && ++this.successes >= this.options.successThreshold) this.changeTo('closed');
        return;
      case 'retryable':
      case 'failure':
        if (this.run.recordFailure(this.clock.now()) || this.current === 'half_open') this.changeTo('open');
        return;
    }
  }

  private changeTo(to: CircuitState): void {
    const from = this.current;
    const now = this.clock.now();
    if (to === 'open' || from === 'closed') this.openedAfter = this.run.count(now);
    this.current = to;
    this.epoch++;
    this.openedAt = now;
    this.successes = 0;
    this.probes.clear();
    try {
      this.onStateChange({ from, to, failures: this.failures, retryAfterMs: this.retryAfterMs });
    } catch {
      // A listener must not change how the call ends during which the state changed.
    }
  }

  private canProbe(now: number): boolean {
    for (const probe of this.probes) {
      if (now - probe.startedAt < this.options.recoveryTimeout) break;
      this.probes.delete(probe);
    }
    return this.probes.size < this.options.halfOpenPermits;
  }
}
