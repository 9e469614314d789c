/** What a watching process is asked for; each question gets one answer, when it is so. */
export type Question =
  /** To hold so many instances. */
  | { readonly type: 'instances'; readonly count: number }
  /** To have heard of so many timed changes, and of so many bare messages. */
  | { readonly type: 'changes'; readonly count: number }
  /** To take the memory used now, once no instance is left, for the base line. */
  | { readonly type: 'baseline' }
  | { readonly type: 'memory' };

export type Answer =
  | { readonly type: 'done' }
  /** Milliseconds from sending to arrival. */
  | { readonly type: 'delays'; readonly changes: readonly number[]; readonly bareMessages: readonly number[] }
  | ({ readonly type: 'memory' } & WatcherMemory);

export interface WatcherMemory {
  /** What the heap, and buffers outside of it, grew by since the base line. */
  readonly watchedBytes: number;
  /** What the same instances take as objects of `JSON.parse`, in the same process. */
  readonly plainBytes: number;
  readonly rssBytes: number;
}

export const BARE_CHANNEL = 'floor:bare';

/** Milliseconds since the Unix epoch, with a fraction; comparable between processes of one machine. */
export function epochNow(): number {
  return performance.timeOrigin + performance.now();
}
