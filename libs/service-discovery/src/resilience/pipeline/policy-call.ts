import {
  CancelSource,
  type Cancellation,
  DeadlineExceededError,
  SignalCancellation,
  sleep,
  type Clock,
  type TimerWheel,
} from '../../common/index.js';
import { type EventSink } from '../../model/index.js';
import { CancelScope } from '../deadline/cancel-scope.js';
import { type LoadSignal, loadSignalOfFailure } from '../load-signal.js';
import { type RetriedContext } from '../retry/attempts.js';
import { type Repeatability } from '../retry/retry-state.js';
import { type ShareableContext } from './call-context.js';

/** What all calls of a policy work with. */
export interface PolicyCallDeps {
  readonly clock: Clock;
  readonly timers: TimerWheel;
  readonly events: EventSink;
  /** The `service` of events and errors. */
  readonly name: string;
}

/** What a policy calls; may return a promise or a value. */
export type PolicyFunction = (signal: AbortSignal) => unknown;

/** Giving a function to a policy that retries or hedges says that it may run twice. */
const REPEATABLE: Repeatability = { idempotent: true, replayable: true };

/** One call of a function under a policy. */
export class PolicyCall implements ShareableContext<PolicyCall>, RetriedContext<{ readonly error: unknown }> {
  readonly repeatability = REPEATABLE;
  scope: Cancellation;
  /** How often the function was called so far. */
  attempts = 0;
  attemptsBegun = 0;
  retried = false;
  concealed: unknown = undefined;
  private lastError: unknown = undefined;
  private deadline: CancelScope | undefined = undefined;

  constructor(
    readonly fn: PolicyFunction,
    readonly key: string | undefined,
    private readonly caller: AbortSignal | undefined,
    private readonly deps: PolicyCallDeps,
  ) {
    this.scope = caller ? new SignalCancellation(caller) : new CancelSource();
  }

  get service(): string {
    return this.deps.name;
  }

  get events(): EventSink {
    return this.deps.events;
  }

  get flightKey(): string | undefined {
    return this.key;
  }

  get isAborted(): boolean {
    return this.caller?.aborted === true;
  }

  remainingMs(): number {
    return this.deadline?.remainingMs() ?? Number.POSITIVE_INFINITY;
  }

  startDeadline(ms: number): void {
    const { timers, name: service } = this.deps;
    const timeoutError = (): Error => new DeadlineExceededError(ms, { service, cause: this.lastError });
    this.deadline = new CancelScope(timers, this.scope, { ms, timeoutError });
    this.deadline.arm();
    this.scope = this.deadline;
  }

  loadSignal(failure?: { readonly error: unknown }): LoadSignal {
    if (!failure) return 'answered';
    // A call whose time ran out while it waited for a slot says nothing about the callee.
    return this.attempts === 0 ? 'ignored' : loadSignalOfFailure(failure.error, this.scope);
  }

  note({ error }: { readonly error: unknown }): void {
    this.lastError = error;
  }

  throwIfOver(): void {
    if (this.scope.aborted) throw this.scope.reason;
  }

  async pause(delayMs: number): Promise<void> {
    await sleep(this.deps.clock, delayMs, this.scope.signal);
  }

  startWaiting(): void {
    // The deadline stage, inside of the coalescing, gives one deadline to all who share a call.
  }

  extendFor(): void {
    // As above: that deadline stays.
  }

  forKeeping(): this {
    return this;
  }

  forSharing(signal: AbortSignal): PolicyCall {
    return new PolicyCall(this.fn, this.key, signal, this.deps);
  }

  receive<T>(kept: T): T {
    return kept;
  }

  mayShare(): boolean {
    return true;
  }

  failureIn(): undefined {
    return undefined;
  }

  adopt({ attempts }: PolicyCall): void {
    this.attempts = attempts;
  }

  end(): void {
    this.deadline?.dispose();
  }
}
