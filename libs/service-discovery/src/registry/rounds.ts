import { type Clock, type Random, type Timer } from '../common/index.js';

interface RoundsDeps {
  readonly clock: Clock;
  run(): Promise<void>;
  /**
   * The time until the next round; undefined: none is needed.
   * @param failures how many rounds in a row were rejected
   */
  delayMs(failures: number): number | undefined;
}

/** Runs a task again and again, in rounds that never overlap. A rejected round only changes when the next one comes. */
export class Rounds {
  /** How many rounds in a row were rejected. */
  failures = 0;
  private timer: Timer | undefined;
  private timerDue = Number.POSITIVE_INFINITY;
  private current: Promise<void> | undefined;
  private isWanted = false;
  private isStopped = false;

  constructor(private readonly deps: RoundsDeps) {}

  /** The round that is running; never rejects. */
  get running(): Promise<void> | undefined {
    return this.current;
  }

  get stopped(): boolean {
    return this.isStopped;
  }

  /** Starts a round now, or right after the current one if that succeeds. */
  runNow(): void {
    if (this.isStopped) return;
    if (this.current) this.isWanted = true;
    else this.begin();
  }

  /** Schedules the next round, unless one is running or scheduled. */
  schedule(): void {
    if (this.timer) return;
    const ms = this.deps.delayMs(this.failures);
    if (ms !== undefined) this.runWithin(ms);
  }

  /** Schedules a round, unless one is running or due sooner. */
  runWithin(ms: number): void {
    const due = this.deps.clock.now() + ms;
    if (this.current || this.isStopped || due >= this.timerDue) return;
    this.cancel();
    this.timerDue = due;
    this.timer = this.deps.clock.setTimer(() => this.begin(), ms, { keepAlive: false });
  }

  /** Cancels the scheduled round. */
  cancel(): void {
    this.timer?.cancel();
    this.timer = undefined;
    this.timerDue = Number.POSITIVE_INFINITY;
  }

  stop(): void {
    this.isStopped = true;
    this.cancel();
  }

  private begin(): void {
    this.cancel();
    this.isWanted = false;
    this.current = this.deps.run().then(
      () => this.end(0),
      () => this.end(this.failures + 1),
    );
  }

  private end(failures: number): void {
    this.failures = failures;
    this.current = undefined;
    if (this.isWanted && failures === 0) this.runNow();
    else this.schedule();
  }
}

const LONGEST_INTERVAL_MS = 30_000;
const FIRST_RETRY_MS = 1_000;

export interface RenewalPace {
  readonly shortestTtlMs: number;
  /** The renewal interval. If undefined or not shorter than the shortest lease: a third of that lease, at most 30 s. */
  readonly intervalMs?: number;
}

/**
 * The delay until the next renewal, with up to 20 % of jitter subtracted, never added.
 * @param failures rounds that failed in a row. The first retry comes within 1 s; the delay then doubles up to the interval
 */
export function renewalDelay(pace: RenewalPace, failures: number, random: Random): number {
  const interval = longestRenewalDelay(pace);
  const delay = failures > 0 ? Math.min(interval, FIRST_RETRY_MS * 2 ** (failures - 1)) : interval;
  return delay * (1 - 0.2 * random());
}

/** The longest time between two successful renewals. */
export function longestRenewalDelay({ shortestTtlMs, intervalMs = Infinity }: RenewalPace): number {
  return intervalMs < shortestTtlMs ? intervalMs : Math.min(shortestTtlMs / 3, LONGEST_INTERVAL_MS);
}

/**
 * Runs `task` for every item, at most `concurrency` at a time. Rejects with the first failure once all have settled.
 */
export async function inBatches<T>(
  items: readonly T[],
  concurrency: number,
  task: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    for (const item of queue) {
      try {
        await task(item);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
}

/** Runs the tasks of one key one at a time, in order of arrival. Tasks of different keys do not wait for each other. */
export class KeyedLock {
  private readonly tails = new Map<string, Promise<unknown>>();

  /** Resolves when no task is running or queued. */
  async idle(): Promise<void> {
    while (this.tails.size > 0) await Promise.all(this.tails.values());
  }

  async run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const result = (this.tails.get(key) ?? Promise.resolve()).then(task);
    const tail = result.catch(() => undefined);
    this.tails.set(key, tail);
    try {
      return await result;
    } finally {
      if (this.tails.get(key) === tail) this.tails.delete(key);
    }
  }
}
