import { BulkheadFullError, onAbort, OptionValidator, raceAbort } from '../common/index.js';

/** How many calls may run at once, and how many may wait for that. */
export interface BulkheadOptions {
  /** Calls that may run at the same time. A whole number from 1 to 1,000,000; there is no default. */
  maxConcurrent: number;
  /**
   * Calls that may wait for a slot, first come first served; more are refused. A whole number from 0 to 1,000,000.
   * @default 0
   */
  maxQueue?: number;
}

/** `maxConcurrent` depends on what is protected, so it has to be given. */
export const DEFAULT_BULKHEAD_OPTIONS: Readonly<Pick<Required<BulkheadOptions>, 'maxQueue'>> = { maxQueue: 0 };

/** Checked options with every default filled in. May be given wherever options are taken. */
export type ResolvedBulkheadOptions = Readonly<Required<BulkheadOptions>>;

const MOST_CALLS = 1_000_000;

/**
 * Fills in the defaults and checks every option.
 * @throws InvalidConfigurationError naming every wrong option
 */
export function resolveBulkheadOptions(options: BulkheadOptions, path = 'bulkhead'): ResolvedBulkheadOptions {
  const check = new OptionValidator(path);
  const given = check.options<Partial<BulkheadOptions>>('', options, DEFAULT_BULKHEAD_OPTIONS, ['maxConcurrent']);
  const resolved: ResolvedBulkheadOptions = {
    maxConcurrent: check.number('maxConcurrent', given.maxConcurrent, { min: 1, max: MOST_CALLS, integer: true }),
    maxQueue: check.number('maxQueue', given.maxQueue, { min: 0, max: MOST_CALLS, integer: true }),
  };
  check.throwIfAny();
  return resolved;
}

/** Gives a slot back; safe to call again. */
export type Release = () => void;

export interface BulkheadDeps {
  /** What is protected: the `service` of the errors. @default none */
  name?: string;
}

/** Keeps one slow dependency from taking all the resources: calls beyond the limit wait or are refused at once. */
export class Bulkhead {
  private readonly options: ResolvedBulkheadOptions;
  private readonly waiting = new Set<(release: Release) => void>();
  private running = 0;

  /** @throws InvalidConfigurationError naming every wrong option */
  constructor(
    options: BulkheadOptions,
    private readonly deps: BulkheadDeps = {},
  ) {
    this.options = resolveBulkheadOptions(options);
  }

  /** Calls that hold a slot. */
  get active(): number {
    return this.running;
  }

  /** Calls that wait for a slot. */
  get queued(): number {
    return this.waiting.size;
  }

  /**
   * Waits for a slot where all are busy.
   * @returns what gives the slot back
   * @throws BulkheadFullError when the queue is full too; the signal's reason when it aborts, and the call leaves the queue
   */
  async acquire(signal?: AbortSignal): Promise<Release> {
    signal?.throwIfAborted();
    const { maxConcurrent, maxQueue } = this.options;
    if (this.running < maxConcurrent) {
      this.running++;
      return this.createRelease();
    }
    if (this.waiting.size >= maxQueue) {
      throw new BulkheadFullError({ limit: maxConcurrent, queue: this.waiting.size, service: this.deps.name });
    }
    return this.enqueue(signal);
  }

  /**
   * Runs `fn` in a slot. When `signal` aborts the call is over and its slot free, even if `fn` goes on.
   * @throws BulkheadFullError, and `fn` is not called; the signal's reason when it aborts; what `fn` throws
   */
  async execute<T>(fn: (signal?: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const release = await this.acquire(signal);
    try {
      // It may have aborted after the slot was given and before this line had its turn.
      signal?.throwIfAborted();
      return await (signal ? raceAbort(fn(signal), signal) : fn());
    } finally {
      release();
    }
  }

  private enqueue(signal?: AbortSignal): Promise<Release> {
    return new Promise((resolve, reject) => {
      const enter = (release: Release): void => {
        stopWaiting?.();
        resolve(release);
      };
      const stopWaiting =
        signal &&
        onAbort(signal, () => {
          this.waiting.delete(enter);
          reject(signal.reason as Error);
        });
      this.waiting.add(enter);
    });
  }

  private createRelease(): Release {
    let released = false;
    return () => {
      if (released) return;
      released = true;
      const [next] = this.waiting;
      if (next) {
        // The slot passes on without becoming free, so that a newcomer cannot overtake those that wait.
        this.waiting.delete(next);
        next(this.createRelease());
      } else {
        this.running--;
      }
    };
  }
}
