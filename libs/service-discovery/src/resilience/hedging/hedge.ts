import {
  AttemptTimeoutError,
  type Clock,
  onAbort,
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
  return new Promise<T>((resolve, reject) => {
    const settle = (end: End<T>): void => ('error' in end ? reject(end.error) : resolve(end.answer));
    new Race(run, options, settle).start();
  });
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

interface Running {
  readonly controller: AbortController;
  readonly began: number;
  readonly isFirst: boolean;
}

class Race<T> {
  private readonly running = new Set<Running>();
  /** Undefined: nothing is hedged. The same for all attempts of a race. */
  private readonly delayMs: number | undefined;
  private begun = 0;
  private over = false;
  /** The latest failure. */
  private failed: End<T> | undefined;
  private timer: Timer | undefined;
  private stopFollowing: () => void = () => undefined;

  constructor(
    private readonly run: (signal: AbortSignal, number: number) => Promise<T>,
    private readonly options: HedgeOptions<T>,
    private readonly settle: (end: End<T>) => void,
  ) {
    this.delayMs = options.delay.currentMs;
  }

  start(): void {
    const { signal } = this.options;
    if (signal.aborted) return this.settle({ error: signal.reason as Error });
    this.stopFollowing = onAbort(signal, () => this.finish({ error: signal.reason as Error }));
    this.begin();
    this.scheduleHedge();
  }

  private scheduleHedge(): void {
    const { clock, maxHedges, mayHedge } = this.options;
    if (this.over || this.delayMs === undefined || this.begun > maxHedges) return;
    const send = (): void => {
      if (!mayHedge()) return;
      this.begin();
      this.scheduleHedge();
    };
    this.timer = clock.setTimer(send, this.delayMs);
  }

  private begin(): void {
    const number = this.begun++;
    const attempt = { controller: new AbortController(), began: this.options.clock.now(), isFirst: number === 0 };
    this.running.add(attempt);
    void this.follow(attempt, number);
  }

  private async follow(attempt: Running, number: number): Promise<void> {
    const { isWorthy, isFinal } = this.options;
    let end: End<T>;
    let worthy: boolean;
    try {
      const answer = await this.run(attempt.controller.signal, number);
      end = { answer };
      worthy = isWorthy?.(answer) ?? true;
    } catch (error) {
      end = { error: error as Error };
      worthy = isFinal?.(error) ?? false;
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
    const { signal } = this.options;
    this.over = true;
    this.timer?.cancel();
    this.stopFollowing();
    if (this.failed !== end) this.letGo(this.failed);
    this.settle(end);
    for (const attempt of this.running) {
      this.recordIfSlow(attempt);
      attempt.controller.abort(signal.aborted ? signal.reason : outrun());
    }
  }

  /** Hedges are left out: only those fast enough to win would be known, which would bias the samples. */
  private record({ began, isFirst }: Running): void {
    if (isFirst) this.options.delay.record(this.options.clock.now() - began);
  }

  /** Its full latency is unknown, but it was one of the slow ones. */
  private recordIfSlow(attempt: Running): void {
    const elapsedMs = this.options.clock.now() - attempt.began;
    if (this.delayMs !== undefined && elapsedMs >= this.delayMs) this.record(attempt);
  }

  private letGo(end: End<T> | undefined): void {
    if (end && 'answer' in end) this.options.discard?.(end.answer);
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
    const { clock, delay } = this.deps;
    const { signal } = call.scope;
    let began = clock.now();
    const attempt = async (own: AbortSignal, number: number): Promise<Attempt> => {
      const running = driver.run(call, new SignalCancellation(own), number > 0);
      const now = clock.now();
      if (number > 0) {
        const { service, attemptsBegun } = call;
        call.events.emit('call.hedged', { service, attempt: attemptsBegun, afterMs: now - began });
      }
      began = now;
      const ended = await running;
      if (number === 0 && ended.error instanceof AttemptTimeoutError) delay.record(clock.now() - now);
      return ended;
    };
    try {
      return await hedge(attempt, {
        clock,
        signal,
        delay,
        maxHedges: options.maxHedges,
        mayHedge: () => this.mayHedge(call),
        isWorthy: ({ isAnswer }) => isAnswer,
        discard: (ended) => ended.discard(),
      });
    } catch (error) {
      if (signal.aborted) driver.noteAbort?.(call, error);
      throw error;
    }
  }

  private mayHedge(call: Context): boolean {
    const { maxAttempts, budget } = this.deps;
    const { repeatability, attemptsBegun: attempts } = call;
    return mayHedge({
      call: repeatability,
      attempts,
      maxAttempts,
      anotherInstance: this.driver.canHedge(call),
      budget,
    });
  }
}
