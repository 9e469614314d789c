import {
  type Clock,
  count,
  duration,
  OptionGroup,
  type OptionsOf,
  type ResolvedOf,
  systemClock,
} from '../../common/index.js';
import { classifyError, type ErrorClassifier, reasonOf } from '../classify.js';
import { type Next, type ShareableContext, type Stage, type StageDescription } from '../pipeline/stage.js';

/** How many answers are kept to stand in for failed calls, and for how long. */
export const LAST_GOOD_OPTIONS = new OptionGroup('lastGood', {
  /**
   * Answers that are kept, one per key. Beyond that, the least recently used one is dropped. A whole number from 1 to
   * 1,000,000.
   * @default 1000
   */
  maxEntries: count({ default: 1_000, min: 1, max: 1_000_000 }),
  /**
   * How old an answer may be to stand in for an error. From 1 ms to 7 days.
   * @default '1h'
   */
  maxAge: duration({ default: '1h', minMs: 1, maxMs: 7 * 86_400_000 }),
});

export interface LastGoodOptions extends OptionsOf<typeof LAST_GOOD_OPTIONS> {}
export interface ResolvedLastGoodOptions extends ResolvedOf<typeof LAST_GOOD_OPTIONS> {}

/** A cached answer and its age. */
export interface LastGood<T> {
  readonly value: T;
  /** How long ago it was given. */
  readonly ageMs: number;
}

export interface LastGoodCacheDeps {
  /** @default the system's clock */
  clock?: Clock;
}

/**
 * The last good answer for each key, to use in place of an error (HTTP's `stale-if-error`, RFC 5861). Unlike a normal
 * cache it saves no calls: every call is made, and only a failed one is answered from here.
 *
 * Values are not copied, so a caller that modifies one modifies it for all. The key must cover everything that the answer
 * depends on, above all who asks.
 */
export class LastGoodCache<T = unknown> {
  private readonly options: ResolvedLastGoodOptions;
  private readonly clock: Clock;
  /** Least recently used first. */
  private readonly entries = new Map<string, Entry<T>>();

  /** @throws InvalidConfigurationError naming every wrong option */
  constructor(options: Partial<LastGoodOptions> = {}, { clock = systemClock }: LastGoodCacheDeps = {}) {
    this.options = LAST_GOOD_OPTIONS.resolve(options);
    this.clock = clock;
  }

  /** How many answers are kept, including ones that are too old and not dropped yet. */
  get size(): number {
    return this.entries.size;
  }

  /** Keeps an answer, replacing the previous one. */
  remember(key: string, value: T): void {
    const entry = this.entries.get(key) ?? new Entry<T>();
    entry.value = value;
    entry.at = this.clock.now();
    this.entries.delete(key);
    this.entries.set(key, entry);
    if (this.entries.size <= this.options.maxEntries) return;
    const [leastRecent] = this.entries.keys();
    this.entries.delete(leastRecent!);
  }

  /** The last answer for the key and its age; undefined when there is none that is young enough. */
  recall(key: string): LastGood<T> | undefined {
    const entry = this.entries.get(key);
    if (!entry) return undefined;
    this.entries.delete(key);
    const ageMs = this.clock.now() - entry.at;
    if (ageMs > this.options.maxAge) return undefined;
    this.entries.set(key, entry);
    return { value: entry.value, ageMs };
  }

  /** Drops the answer for a key, such as after a write that makes it obsolete; without a key, all answers. */
  forget(key?: string): void {
    if (key === undefined) this.entries.clear();
    else this.entries.delete(key);
  }
}

/** One for all answers of a key: former tables of a map may stay in the old generation, and would keep each of them. */
class Entry<T> {
  value!: T;
  at = 0;
}

/** Refused by our own limits, to protect the callee: it was not asked, and the request is fine. */
const REFUSED_FOR_LOAD: ReadonlySet<unknown> = new Set([
  'BULKHEAD_FULL',
  'CONCURRENCY_LIMITED',
  'RATE_LIMITED',
  'THROTTLED',
]);

/**
 * Whether a stale answer is better than this error: when the callee failed, was unreachable, or was not asked in order to
 * spare it. Not when it answered (a 4xx other than 408 and 429 is an answer: the resource may be gone or forbidden now),
 * when the request is invalid, nor when the caller aborted.
 */
export function isWorthLastGood(error: unknown, classify: ErrorClassifier = classifyError): boolean {
  const kind = classify(error);
  if (kind === 'ignored') return REFUSED_FOR_LOAD.has((error as { code?: unknown }).code);
  return kind !== 'success';
}

/** Answers a failed call with the last good answer. */
export class LastGoodStage<Context extends ShareableContext<Context>> implements Stage<Context> {
  constructor(
    private readonly options: ResolvedLastGoodOptions,
    private readonly cache: LastGoodCache,
    private readonly classify: ErrorClassifier = classifyError,
  ) {}

  get description(): StageDescription {
    return {
      stage: 'last_good',
      purpose:
        'Answers a failed call with the last good answer. Outside of everything that may fail or refuse; inside of a ' +
        'fallback, which is a poorer answer.',
      options: { ...this.options },
    };
  }

  async run<T>(call: Context, next: Next<Context, T>): Promise<T> {
    const { key } = call;
    if (key === undefined) return next.run(call);
    const inner = call.forKeeping();
    let answer: { readonly value: T } | undefined;
    let failure: unknown;
    try {
      const kept = await next.run(inner);
      answer = { value: await call.receive(kept) };
      failure = call.failureIn(kept);
      if (failure === undefined) {
        if (call.mayShare(kept)) this.cache.remember(key, kept);
        else this.cache.forget(key);
        return answer.value;
      }
    } catch (error) {
      failure = error;
    } finally {
      inner.end();
      call.adopt(inner);
    }
    const stale = call.isAborted ? undefined : this.recall<T>(key, failure);
    if (stale) {
      const { service, events } = call;
      call.concealed = failure;
      events.emit('call.answered_stale', { service, ageMs: stale.ageMs, reason: reasonOf(failure) });
      return call.receive(stale.value, stale.ageMs);
    }
    if (answer) return answer.value;
    throw failure;
  }

  private recall<T>(key: string, failure: unknown): LastGood<T> | undefined {
    // An answer such as 404 makes what was kept obsolete.
    if (this.classify(failure) === 'success') this.cache.forget(key);
    return isWorthLastGood(failure, this.classify) ? (this.cache.recall(key) as LastGood<T> | undefined) : undefined;
  }
}
