import { onAbort } from '../common/index.js';
import { type Change, changeWithin, type ServiceSplit, type WatchScope } from '../model/index.js';

/** A reset: everything in a watcher's scope. */
export type ResetChange = Extract<Change, { type: 'reset' }>;

/** Returns the current state within a scope; null while it is not known yet. */
export type ResetSource = (scope: WatchScope) => ResetChange | null;

/** How many changes may be queued for one reader before they are replaced by a reset. */
const WATCH_BACKLOG_LIMIT = 10_000;

/**
 * Distributes one stream of changes to any number of readers, each at its own pace. A stream starts with a reset, taken
 * when the reader first reads, and continues with every change published after it, so there is no gap. A reader that
 * falls behind by more than the limit gets a new reset instead of an unbounded backlog.
 */
export class WatchHub {
  private readonly streams = new Set<WatchStream>();
  private closed = false;

  /**
   * @param source returns the state after the last published change
   * @param limit see {@link WATCH_BACKLOG_LIMIT}
   */
  constructor(
    private readonly source: ResetSource,
    private readonly limit = WATCH_BACKLOG_LIMIT,
  ) {}

  /** The stream ends when `signal` aborts, when the reader leaves its loop, or when the hub closes. */
  open(scope: WatchScope, signal?: AbortSignal): AsyncIterableIterator<Change> {
    let stopWaiting: (() => void) | undefined;
    const stream = new WatchStream(scope, this.source, this.limit, () => {
      stopWaiting?.();
      this.streams.delete(stream);
    });
    if (this.closed || signal?.aborted) {
      stream.close();
    } else {
      this.streams.add(stream);
      if (signal) stopWaiting = onAbort(signal, () => stream.close());
    }
    return stream;
  }

  /** Call it after the source has applied the change. A reset makes every stream start over from the source. */
  publish(change: Change): void {
    for (const stream of this.streams) stream.publish(change);
  }

  /** Whether an open stream names this service in its scope. */
  asksFor(serviceName: string): boolean {
    for (const stream of this.streams) if (stream.asksFor(serviceName)) return true;
    return false;
  }

  /** Ends every stream, including those opened later. */
  close(): void {
    this.closed = true;
    for (const stream of [...this.streams]) stream.close();
  }
}

class WatchStream implements AsyncIterableIterator<Change> {
  private readonly backlog: Change[] = [];
  private readonly readers: ((result: IteratorResult<Change>) => void)[] = [];
  private readonly services: ReadonlySet<string> | null;
  /** True initially and after a reader fell behind. Changes published while it is true are part of the reset. */
  private owesReset = true;
  private closed = false;

  constructor(
    private readonly scope: WatchScope,
    private readonly source: ResetSource,
    private readonly limit: number,
    private readonly onClose: () => void,
  ) {
    this.services = scope.services ? new Set(scope.services) : null;
  }

  publish(change: Change): void {
    if (change.type === 'reset') this.startOver();
    else if (!this.owesReset) {
      const seen = this.withinScope(change);
      if (seen) this.backlog.push(seen);
      if (this.backlog.length > this.limit) this.startOver();
    }
    this.serve();
  }

  asksFor(serviceName: string): boolean {
    return this.services?.has(serviceName) ?? false;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.backlog.length = 0;
    for (const reader of this.readers.splice(0)) reader({ value: undefined, done: true });
    this.onClose();
  }

  next(): Promise<IteratorResult<Change>> {
    if (this.closed) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve) => {
      this.readers.push(resolve);
      this.serve();
    });
  }

  return(): Promise<IteratorResult<Change>> {
    this.close();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  private startOver(): void {
    this.backlog.length = 0;
    this.owesReset = true;
  }

  private serve(): void {
    while (this.readers.length > 0) {
      const change = this.take();
      if (!change) return;
      this.readers.shift()?.({ value: change, done: false });
    }
  }

  private take(): Change | null {
    if (!this.owesReset) return this.backlog.shift() ?? null;
    const reset = this.source(this.scope);
    if (reset) this.owesReset = false;
    return reset;
  }

  private withinScope(change: Exclude<Change, ResetChange>): Change | null {
    if (change.type === 'renewed' && this.scope.renewals !== true) return null;
    const { services } = this;
    return services ? changeWithin(change, (name) => services.has(name)) : change;
  }
}

/** The splits within a scope, in the form that a reset carries them; empty if there are none. */
export function splitsWithin(
  splits: ReadonlyMap<string, ServiceSplit>,
  { services }: WatchScope,
): Pick<ResetChange, 'splits'> {
  const within = new Map(services ? [...splits].filter(([name]) => services.includes(name)) : splits);
  return within.size > 0 ? { splits: within } : {};
}
