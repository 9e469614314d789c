/** Conditions that a watching process can be asked to wait for; it answers once when they hold. */
export type Question =
  /** Holds that many instances. */
  | { readonly type: 'instances'; readonly count: number }
  /** Has received that many timed changes and bare messages. */
  | { readonly type: 'changes'; readonly count: number }
  /** Takes the baseline of memory, once no instance is left. */
  | { readonly type: 'baseline' }
  | { readonly type: 'memory' };

export type Answer =
  | { readonly type: 'done' }
  /** Milliseconds from sending to arrival. */
  | { readonly type: 'delays'; readonly changes: readonly number[]; readonly bareMessages: readonly number[] }
  | ({ readonly type: 'memory' } & WatcherMemory);

export interface WatcherMemory {
  /** Growth of the heap and off-heap buffers since the baseline. */
  readonly watchedBytes: number;
  /** The same instances as objects of `JSON.parse`, in the same process. */
  readonly plainBytes: number;
  readonly rssBytes: number;
}

export const BARE_CHANNEL = 'floor:bare';

/** Milliseconds since the Unix epoch, with a fraction; comparable between processes of one machine. */
export function epochNow(): number {
  return performance.timeOrigin + performance.now();
}
