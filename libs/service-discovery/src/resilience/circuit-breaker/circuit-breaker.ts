import {
  type Cancellation,
  type CircuitOpenError,
  type Clock,
  OptionValidator,
  type OutcomeClass,
  raceAbort,
  type Random,
  systemClock,
  systemRandom,
} from '../../common/index.js';
import { type CircuitReason, type CircuitState } from '../../model/index.js';
import { classifyAbort, classifyError, type ErrorClassifier, includesStatus, statusOf } from '../classify.js';
import { type Next, type Stage, type StageDescription } from '../pipeline/stage.js';
import {
  CIRCUIT_BREAKER_OPTIONS,
  type CircuitBreakerOptions,
  type ResolvedCircuitBreakerOptions,
} from './circuit-breaker-options.js';
import { type CircuitPermit, Permit, type PermitSettled, ProbePermits } from './circuit-permits.js';
import {
  type CircuitSnapshot,
  type CircuitStateChange,
  createRefusal,
  FORCED_CIRCUITS,
  type ForcedCircuit,
  viewWindow,
} from './circuit-view.js';
import { OpeningRule } from './opening-rule.js';
import { ClosingRamp, RecoveryTime } from './recovery.js';

export interface CircuitBreakerDeps {
  /** @default the system's clock */
  clock?: Clock;
  /** For `recoveryJitter`. @default Math.random */
  random?: Random;
  /** Name of the callee: `service` in errors. @default none */
  name?: string;
  /** Called after each change of state; errors that it throws are dropped. */
  onStateChange?: (change: CircuitStateChange) => void;
  /**
   * Called before the circuit opens. If it returns false, the circuit stays closed, or closes after failed probes; it keeps
   * counting and asks again after the next failure.
   * @default it always may
   */
  mayOpen?: () => boolean;
  /** What an error of `execute`'s function means. @default classifyError */
  classify?: ErrorClassifier;
}

const HELD_CLOSED = { heldClosed: true } as const;

/**
 * Stops calls to a callee that keeps failing or answers too slowly, and admits a few probes after a while.
 *
 * - There is no timer. The first call after the open time moves the circuit from open to half open; until then `state`
 *   stays `open`, with `retryAfterMs` at 0.
 * - A call counts only in the state in which it began: one from before the circuit opened says nothing about the probes.
 * - A probe that has not ended within `recoveryTimeout` no longer holds a permit, so that a lost one cannot keep the
 *   circuit half open for ever; if it ends after all, its outcome still counts.
 */
export class CircuitBreaker {
  private readonly options: ResolvedCircuitBreakerOptions;
  private readonly clock: Clock;
  private readonly name: string | undefined;
  private readonly onStateChange: (change: CircuitStateChange) => void;
  private readonly mayOpen: () => boolean;
  private readonly classify: ErrorClassifier;

  private readonly rule: OpeningRule;
  private readonly recovery: RecoveryTime;
  private readonly ramp: ClosingRamp;
  private readonly probes: ProbePermits;
  private current: CircuitState = 'closed';
  private forcedState: ForcedCircuit | undefined;
  /** Grows with each change of state, to recognize outcomes from earlier states. */
  private epoch = 0;
  private changedAt: number;
  private openUntil = 0;
  private openedAfter = 0;
  private tooSlow = false;
  private successes = 0;
  private failedProbes = 0;

  /** @throws InvalidConfigurationError naming every wrong option */
  constructor(options?: Partial<CircuitBreakerOptions>, deps: CircuitBreakerDeps = {}) {
    this.options = CIRCUIT_BREAKER_OPTIONS.resolve(options);
    this.clock = deps.clock ?? systemClock;
    this.name = deps.name;
    this.onStateChange = deps.onStateChange ?? (() => undefined);
    this.mayOpen = deps.mayOpen ?? (() => true);
    this.classify = deps.classify ?? classifyError;
    this.rule = new OpeningRule(this.options);
    this.recovery = new RecoveryTime(this.options, deps.random ?? systemRandom);
    this.ramp = new ClosingRamp(this.options.ramp);
    this.probes = new ProbePermits(this.options.halfOpenPermits, this.options.recoveryTimeout);
    this.changedAt = this.clock.now();
  }

  get state(): CircuitState {
    return this.current;
  }

  /** The state that an operator forced, until `reset`. */
  get forced(): ForcedCircuit | undefined {
    return this.forcedState;
  }

  /**
   * The consecutive failures that count now, or those within the window where `failureThreshold` is false; once the
   * circuit has opened, those that opened it.
   */
  get failures(): number {
    return this.current === 'closed' ? this.rule.failures(this.clock.now()) : this.openedAfter;
  }

  /**
   * How long until a call may be let through; undefined where nothing is refused, and where only `reset` ends the
   * refusal. While all probes are under way it is the time after which the oldest no longer counts: the longest wait.
   */
  get retryAfterMs(): number | undefined {
    const now = this.clock.now();
    if (this.current === 'open') return Math.max(0, this.openUntil - now);
    return this.refusedMs(now) || undefined;
  }

  /** Whether `tryAcquire` would grant a permit now; has no side effect. */
  canAcquire(now?: number): boolean {
    if (this.current === 'isolated') return false;
    // The common case needs no clock read.
    if (this.current === 'closed' && !this.ramp.isRunning) return true;
    return this.refusedMs(now ?? this.clock.now()) === 0;
  }

  /**
   * A permit for one call, or null when the circuit refuses it.
   * @param now `Clock.now()`, when the caller already has it
   */
  tryAcquire(now?: number): CircuitPermit | null {
    if (!this.canAcquire(now)) return null;
    // The start time matters only to the slow-call rate.
    if (this.current === 'closed' && !this.rule.timesCalls) return new Permit(this.settled, this.epoch, 0);
    const startedAt = now ?? this.clock.now();
    if (this.current === 'open') this.changeTo('half_open', 'recovery_time_over', startedAt);
    const permit = new Permit(this.settled, this.epoch, startedAt);
    if (this.current === 'half_open') this.probes.take(permit);
    return permit;
  }

  /**
   * Runs `fn` where the circuit lets it. When `signal` aborts, the call is over and its permit given back even if `fn`
   * never settles. An abort by the caller counts neither as a success nor as a failure; a deadline that passed is a failure.
   * @throws CircuitOpenError, with `retryAfterMs` unless isolated, and `fn` is not called; the signal's reason when it aborts; what `fn` throws
   */
  async execute<T>(fn: (signal?: AbortSignal) => Promise<T> | T, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    const permit = this.tryAcquire();
    if (!permit) throw this.refusal();
    try {
      const result = await (signal ? raceAbort(fn(signal), signal) : fn());
      permit.settle('success');
      return result;
    } catch (error) {
      permit.settle(signal?.aborted && error === signal.reason ? classifyAbort(error) : this.outcomeOf(error));
      throw error;
    }
  }

  private outcomeOf(error: unknown): OutcomeClass {
    const status = statusOf(error);
    const isIgnored = status !== undefined && includesStatus(this.options.ignoredStatuses, status);
    return isIgnored ? 'ignored' : this.classify(error);
  }

  /** The error for a call that is refused now. */
  refusal(): CircuitOpenError {
    return createRefusal(this, this.name, this.tooSlow);
  }

  /** Refuses every call until `reset`. Does nothing when isolated already. */
  isolate(): void {
    this.force('isolated');
  }

  /**
   * Holds the circuit until `reset`: `isolated` refuses every call, `closed` lets every call through, however they end.
   * @throws InvalidConfigurationError for any other state
   */
  force(state: ForcedCircuit): void {
    const check = new OptionValidator();
    check.oneOf('state', state, FORCED_CIRCUITS);
    check.throwIfAny();
    this.forcedState = state;
    this.restart(state, state === 'isolated' ? 'isolated' : 'forced_closed');
  }

  /**
   * Admits probes at once when the circuit is open, such as after a passed health check. When it is half open, probes that
   * are under way no longer count. A forced circuit stays as it is.
   */
  halfOpen(): void {
    if (this.forcedState || this.current === 'closed') return;
    const now = this.clock.now();
    if (this.current === 'open') this.changeTo('half_open', 'recovered', now);
    else this.enter('half_open', now);
  }

  /** Closes the circuit, whatever its state, and forgets the failures. Ends what `isolate` and `force` began. */
  reset(): void {
    this.forcedState = undefined;
    this.restart('closed', 'reset');
  }

  /** The state of the circuit and its counts at this moment. */
  snapshot(): CircuitSnapshot {
    const now = this.clock.now();
    const counts = this.rule.counts(now);
    return {
      state: this.current,
      forced: this.forcedState,
      failures: this.failures,
      ...(this.current === 'closed' && this.rule.met(now) && HELD_CLOSED),
      window: counts && viewWindow(counts),
      stateAgeMs: now - this.changedAt,
      retryAfterMs: this.retryAfterMs,
      probes: this.probes.taken(now),
      share: this.ramp.share(now),
    };
  }

  /** Milliseconds until calls are admitted, when time ends the refusal; 0: they are now. */
  private refusedMs(now: number): number {
    switch (this.current) {
      case 'closed':
        return this.ramp.waitMs(now);
      case 'open':
        return Math.max(0, this.openUntil - now);
      case 'half_open':
        return this.probes.waitMs(now);
      case 'isolated':
        return 0;
    }
  }

  /** One function for all permits, so that a permit is one small object. */
  private readonly settled: PermitSettled = (permit, outcome, now) => {
    if (permit.epoch !== this.epoch) return;
    if (this.current === 'half_open') this.probes.giveBack(permit);
    if (outcome === 'ignored' || this.forcedState) return;
    // The common case: a success only ends the run of consecutive failures.
    if (outcome === 'success' && this.current === 'closed' && !this.rule.countsCalls) this.rule.clear();
    else this.record(outcome !== 'success', permit.startedAt, now ?? this.clock.now());
  };

  private record(failed: boolean, startedAt: number, now: number): void {
    const slow = this.rule.isSlow(now - startedAt);
    const reason = this.rule.record(now, failed, slow);
    if (this.current === 'closed') {
      if (reason && this.mayOpen()) this.changeTo('open', reason, now);
    } else if (failed || slow) {
      this.failedProbes++;
      if (!this.tooManyProbesFailed()) return;
      if (this.mayOpen()) this.changeTo('open', failed ? 'probe_failed' : 'probe_slow', now);
      else this.changeTo('closed', 'max_open_share', now);
    } else if (++this.successes >= this.options.successThreshold) {
      this.rule.clear();
      this.recovery.closed(now);
      this.ramp.start(now);
      this.changeTo('closed', 'probes_succeeded', now);
    }
  }

  private tooManyProbesFailed(): boolean {
    const { halfOpenFailureRate: rate, successThreshold } = this.options;
    return rate === false || this.failedProbes / (this.failedProbes + successThreshold) >= rate;
  }

  private restart(to: CircuitState, reason: CircuitReason): void {
    this.openedAfter = this.failures;
    this.rule.clear();
    this.recovery.clear();
    this.ramp.stop();
    // Calls that are under way began before, so they no longer count.
    if (this.current === to) this.epoch++;
    else this.changeTo(to, reason, this.clock.now());
  }

  private changeTo(to: CircuitState, reason: CircuitReason, now: number): void {
    const from = this.current;
    if (to === 'open') {
      this.openedAfter = this.rule.failures(now);
      this.openUntil = now + this.recovery.next(now);
      this.ramp.stop();
      this.tooSlow = reason === 'slow_call_rate' || reason === 'probe_slow';
    }
    this.enter(to, now);
    try {
      this.onStateChange({ from, to, reason, failures: this.failures, retryAfterMs: this.retryAfterMs });
    } catch {
      // A listener's error must not affect the call that caused the change.
    }
  }

  private enter(state: CircuitState, now: number): void {
    this.current = state;
    this.epoch++;
    this.changedAt = now;
    this.successes = 0;
    this.failedProbes = 0;
    this.probes.clear();
  }
}

/** Refuses attempts while the function keeps failing. */
export class CircuitBreakerStage<Context extends { readonly scope: Cancellation }> implements Stage<Context> {
  constructor(
    private readonly breaker: CircuitBreaker,
    private readonly options: ResolvedCircuitBreakerOptions,
  ) {}

  get description(): StageDescription {
    return {
      stage: 'circuit_breaker',
      purpose: 'Refuses attempts after too many failures. Inside of retry, so that it counts each attempt by itself.',
      options: { ...this.options },
    };
  }

  run<T>(attempt: Context, next: Next<Context, T>): Promise<T> {
    return this.breaker.execute(() => next.run(attempt), attempt.scope.signal);
  }
}
