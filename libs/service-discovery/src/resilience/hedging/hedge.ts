import {
  type AbortListener,
  AttemptTimeoutError,
  type Cancellation,
  CancelSource,
  type Clock,
  ServiceDiscoveryError,
  SignalCancellation,
  type Timer,
} from '../../common/index.js';
import { type StageDescription } from '../pipeline/stage.js';
import { type RetryBudget } from '../retry/retry-budget.js';
import {
  type AttemptDriver,
  type EndedAttempt,
  type Repeatability,
  type RetriedContext,
} from '../retry/retry-state.js';
import { type HedgeDelay } from './hedge-delay.js';
import { type ResolvedHedgingOptions } from './hedge-options.js';

/** How the attempts of one call race each other. */
export interface HedgeOptions<T> {
  readonly clock: Clock;
  /** The signal of the call: its abort ends the race and every attempt. */
  readonly signal: AbortSignal;
  readonly delay: Pick<HedgeDelay, 'currentMs' | 'record'>;
  /** How many attempts may be sent beside the first one. */
  readonly maxHedges: number;
  /** Called when a hedge is due, and decides whether it is sent. After the first false no more become due. */
  readonly mayHedge: () => boolean;
  /** Whether an answer ends the race; any other answer counts as a failure. @default every answer does */
  readonly isWorthy?: (answer: T) => boolean;
  /** Whether an error ends the race, such as a 404, since it is an answer as well. @default no error does */
  readonly isFinal?: (error: unknown) => boolean;
  /** Called with each unused answer, to release what it holds. */
  readonly discard?: (answer: T) => void;
}

/**
 * Runs one attempt and, each time an answer takes longer than the delay, another one beside it. The first worthy answer
 * wins and the others are aborted. A failure ends the race only where no other attempt runs: then it is the result, for
 * retries to go by.
 * @param run makes an attempt; number 0 is the first one, the others are hedges
 * @throws the signal's reason; the error of the attempt that failed last
 */
export function hedge<T>(
  run: (signal: AbortSignal, number: number) => Promise<T>,
  options: HedgeOptions<T>,
): Promise<T> {
  return race((own, number) => run(own.signal, number), new SignalCancellation(options.signal), options);
}

/** What decides whether a hedge that is due is sent. */
export interface HedgeChance {
  readonly call: Repeatability;
  /** How many attempts of the call were made so far. */
  readonly attempts: number;
  readonly maxAttempts: number;
  /** Whether an instance that was not tried yet can take the call: the slow one is not tried twice. */
  readonly anotherInstance: boolean;
  readonly budget?: Pick<RetryBudget, 'tryRetry'>;
}

/** Whether a hedge may be sent; if so, it has been taken from the budget. */
export function mayHedge({ call, attempts, maxAttempts, anotherInstance, budget }: HedgeChance): boolean {
  if (!call.idempotent || !call.replayable || attempts >= maxAttempts || !anotherInstance) return false;
  return budget?.tryRetry() !== false;
}

type End<T> = { readonly answer: T } | { readonly error: Error };

type RaceRules<T> = Omit<HedgeOptions<T>, 'signal'>;
type RunAttempt<T> = (cancellation: Cancellation, number: number) => Promise<T>;

/** As {@link hedge}, by cancellations, which cost less than signals. */
function race<T>(run: RunAttempt<T>, cancellation: Cancellation, rules: RaceRules<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const settle = (end: End<T>): void => ('error' in end ? reject(end.error) : resolve(end.answer));
    new Race(run, cancellation, rules, settle).start();
  });
}

class Running extends CancelSource {
  constructor(
    readonly began: number,
    readonly isFirst: boolean,
  ) {
    super();
  }
}

class Race<T> implements AbortListener {
  private readonly running = new Set<Running>();
  /** Undefined: nothing is hedged. The same for all attempts of a race. */
  private readonly delayMs: number | undefined;
  private begun = 0;
  private over = false;
  /** The latest failure. */
  private failed: End<T> | undefined;
  private timer: Timer | undefined;

  constructor(
    private readonly run: RunAttempt<T>,
    private readonly cancellation: Cancellation,
    private readonly rules: RaceRules<T>,
    private readonly settle: (end: End<T>) => void,
  ) {
    this.delayMs = rules.delay.currentMs;
  }

  start(): void {
    const { cancellation } = this;
    if (cancellation.aborted) return this.settle({ error: cancellation.reason as Error });
    cancellation.follow(this);
    this.begin();
    this.scheduleHedge();
  }

  onAborted(reason: unknown): void {
    this.finish({ error: reason as Error });
  }

  private scheduleHedge(): void {
    const { clock, maxHedges } = this.rules;
    if (this.over || this.delayMs === undefined || this.begun > maxHedges) return;
    const send = (): void => {
      if (!this.rules.mayHedge()) return;
      this.begin();
      this.scheduleHedge();
    };
    this.timer = clock.setTimer(send, this.delayMs);
  }

  private begin(): void {
    const number = this.begun++;
    const attempt = new Running(this.rules.clock.now(), number === 0);
    this.running.add(attempt);
    void this.follow(attempt, number);
  }

  private async follow(attempt: Running, number: number): Promise<void> {
    const { rules } = this;
    let end: End<T>;
    let worthy: boolean;
    try {
      const answer = await this.run(attempt, number);
      end = { answer };
      worthy = rules.isWorthy?.(answer) ?? true;
    } catch (error) {
      end = { error: error as Error };
      worthy = rules.isFinal?.(error) ?? false;
    }
    this.running.delete(attempt);
    if (this.over) return this.letGo(end);
    if (worthy || isTimeout(end)) this.record(attempt);
    if (!worthy) {
      this.letGo(this.failed);
      this.failed = end;
    }
    if (worthy || this.running.size === 0) this.finish(end);
  }

  private finish(end: End<T>): void {
    const { cancellation } = this;
    this.over = true;
    this.timer?.cancel();
    cancellation.unfollow(this);
    if (this.failed !== end) this.letGo(this.failed);
    this.settle(end);
    for (const attempt of this.running) {
      this.recordIfSlow(attempt);
      attempt.abort(cancellation.aborted ? cancellation.reason : outrun());
    }
  }

  /** Hedges are left out: only those fast enough to win would be known, which would bias the samples. */
  private record({ began, isFirst }: Running): void {
    if (isFirst) this.rules.delay.record(this.rules.clock.now() - began);
  }

  /** Its full latency is unknown, but it was one of the slow ones. */
  private recordIfSlow(attempt: Running): void {
    const elapsedMs = this.rules.clock.now() - attempt.began;
    if (this.delayMs !== undefined && elapsedMs >= this.delayMs) this.record(attempt);
  }

  private letGo(end: End<T> | undefined): void {
    if (end && 'answer' in end) this.rules.discard?.(end.answer);
  }
}

function isTimeout<T>(end: End<T>): boolean {
  return 'error' in end && end.error instanceof AttemptTimeoutError;
}

function outrun(): Error {
  return new ServiceDiscoveryError('ABORTED', 'Another attempt of the same call was answered first');
}

interface HedgedAttemptsDeps {
  readonly clock: Clock;
  /** Shared by all pipelines with the same settings for it. */
  readonly delay: HedgeDelay;
  /** Undefined: hedges are not limited. */
  readonly budget: RetryBudget | undefined;
  /** The attempts of one call, retries and hedges included. */
  readonly maxAttempts: number;
}

/** Sends another attempt beside one that takes long. The first answer wins, and the attempts that it outran are aborted. */
export class HedgedAttempts<Context extends RetriedContext<Attempt>, Attempt extends EndedAttempt> {
  constructor(
    private readonly options: ResolvedHedgingOptions,
    private readonly driver: AttemptDriver<Context, Attempt>,
    private readonly deps: HedgedAttemptsDeps,
  ) {}

  get description(): StageDescription {
    return {
      stage: 'hedging',
      purpose:
        'Sends another attempt beside one that takes long. Inside of the retry, so that a retry follows only when all of ' +
        'them have failed; outside of everything that belongs to a single attempt.',
      options: { ...this.options },
    };
  }

  async run(call: Context): Promise<Attempt> {
    const { driver, options } = this;
    const { idempotent, replayable } = call.repeatability;
    if (!idempotent || !replayable) return driver.run(call);
    try {
      const hedged = new HedgedCall(call, driver, this.deps, options.maxHedges);
      return await race((own, number) => hedged.run(own, number), call.scope, hedged);
    } catch (error) {
      if (call.scope.aborted) driver.noteAbort?.(call, error);
      throw error;
    }
  }
}

/** The race of one call. A class, as are its attempts, for the reason given at `PreparedRequest`. */
class HedgedCall<Context extends RetriedContext<Attempt>, Attempt extends EndedAttempt> implements RaceRules<Attempt> {
  readonly clock: Clock;
  readonly delay: HedgeDelay;
  /** When its latest attempt began. */
  private began: number;

  constructor(
    private readonly call: Context,
    private readonly driver: AttemptDriver<Context, Attempt>,
    private readonly deps: HedgedAttemptsDeps,
    readonly maxHedges: number,
  ) {
    this.clock = deps.clock;
    this.delay = deps.delay;
    this.began = deps.clock.now();
  }

  async run(cancellation: Cancellation, number: number): Promise<Attempt> {
    const { call, clock } = this;
    const running = this.driver.run(call, cancellation, number > 0);
    const now = clock.now();
    if (number > 0) {
      const { service, attemptsBegun } = call;
      call.events.emit('call.hedged', { service, attempt: attemptsBegun, afterMs: now - this.began });
    }
    this.began = now;
    const ended = await running;
    if (number === 0 && ended.error instanceof AttemptTimeoutError) this.delay.record(clock.now() - now);
    return ended;
  }

  mayHedge(): boolean {
    const { call, driver } = this;
    const { maxAttempts, budget } = this.deps;
    return mayHedge({
      call: call.repeatability,
      attempts: call.attemptsBegun,
      maxAttempts,
      anotherInstance: driver.canHedge(call),
      budget,
    });
  }

  isWorthy({ isAnswer }: Attempt): boolean {
    return isAnswer;
  }

  discard(ended: Attempt): void {
    ended.discard();
  }
}
