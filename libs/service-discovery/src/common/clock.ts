import { onAbort } from './abort.js';

/** A timer that was started with {@link Clock.setTimer}. */
export interface Timer {
  /** Stops the timer; safe to call again, and after it has fired. */
  cancel(): void;
  /**
   * Changes {@link TimerOptions.keepAlive} while it is pending. A clock may leave it out; then a timer that nobody needs for the
   * moment is cancelled, and set again.
   */
  setKeepAlive?(keepAlive: boolean): void;
}

export interface TimerOptions {
  /**
   * Whether the pending timer keeps the process running. A wait that a caller is waiting for (a backoff, a timeout)
   * does; periodic background work (heartbeats, health checks) does not.
   * @default true
   */
  keepAlive?: boolean;
}

/** Where the library takes its time from. Inject `ManualClock` of `./testing` to move time by hand. */
export interface Clock {
  /** Monotonic milliseconds from an arbitrary origin: for durations and deadlines. */
  now(): number;
  /** Milliseconds since the Unix epoch: for timestamps that people or other machines read. */
  epoch(): number;
  /** Calls `fn` once after `ms` milliseconds. */
  setTimer(fn: () => void, ms: number, options?: TimerOptions): Timer;
}

/** Node turns a longer delay into 1 ms, so longer timers are armed in steps. */
const LONGEST_NODE_TIMER_MS = 2_147_483_647;

class SystemTimer implements Timer {
  private handle: NodeJS.Timeout;

  constructor(
    private readonly fn: () => void,
    private remainingMs: number,
    private keepAlive: boolean,
  ) {
    this.handle = this.arm();
  }

  cancel(): void {
    clearTimeout(this.handle);
  }

  setKeepAlive(keepAlive: boolean): void {
    this.keepAlive = keepAlive;
    if (keepAlive) this.handle.ref();
    else this.handle.unref();
  }

  private arm(): NodeJS.Timeout {
    const step = Math.min(this.remainingMs, LONGEST_NODE_TIMER_MS);
    this.remainingMs -= step;
    const handle = setTimeout(this.remainingMs > 0 ? () => (this.handle = this.arm()) : this.fn, step);
    if (!this.keepAlive) handle.unref();
    return handle;
  }
}

/** The machine's own clocks. */
export const systemClock: Clock = {
  now: () => performance.now(),
  epoch: () => Date.now(),
  setTimer: (fn, ms, options) => new SystemTimer(fn, Math.max(0, ms), options?.keepAlive ?? true),
};

/**
 * Resolves after `ms` milliseconds.
 * @throws the signal's reason, at once, when `signal` aborts first.
 */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal, options?: TimerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const timer = clock.setTimer(
      () => {
        stopWaiting?.();
        resolve();
      },
      ms,
      options,
    );
    const stopWaiting =
      signal &&
      onAbort(signal, () => {
        timer.cancel();
        reject(signal.reason as Error);
      });
  });
}

/**
 * Resolves when what had arrived on the sockets of this process has been read. After a standstill, timers that came due
 * meanwhile are called before that: whoever is about to say that nothing came has to look once more.
 */
export function pendingInput(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Whether `promise` settled, either way, within `ms` milliseconds. Never rejects, and does not stop what it waits for. */
export async function settlesWithin(clock: Clock, ms: number, promise: Promise<unknown>): Promise<boolean> {
  let timer: Timer | undefined;
  const tooLate = new Promise<boolean>((resolve) => (timer = clock.setTimer(() => resolve(false), ms)));
  const settled = promise.then(
    () => true,
    () => true,
  );
  const inTime = await Promise.race([settled, tooLate]);
  timer?.cancel();
  return inTime;
}
