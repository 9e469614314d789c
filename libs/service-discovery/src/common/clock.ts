import { onAbort } from './abort.js';

/** A timer started with {@link Clock.setTimer}. */
export interface Timer {
  /** Stops the timer; idempotent, also after it has fired. */
  cancel(): void;
  /**
   * Changes {@link TimerOptions.keepAlive} while the timer is pending. Optional: without it, an idle timer is cancelled
   * and set again.
   */
  setKeepAlive?(keepAlive: boolean): void;
}

/** How a timer affects its process. */
export interface TimerOptions {
  /**
   * Whether the pending timer keeps the process alive. Timers that a caller is waiting for (backoff, timeout) should;
   * periodic background work (heartbeats, health checks) should not.
   * @default true
   */
  keepAlive?: boolean;
}

/** The library's source of time. Inject `ManualClock` of `./testing` to control it. */
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

/** The machine's clocks. */
export const systemClock: Clock = {
  now: () => performance.now(),
  epoch: () => Date.now(),
  setTimer: (fn, ms, options) => new SystemTimer(fn, Math.max(0, ms), options?.keepAlive ?? true),
};

/**
 * Resolves after `ms` milliseconds.
 * @throws the signal's reason if it aborts first
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
 * Resolves once data that already arrived on this process's sockets has been read. After a stall, overdue timers run
 * before that, so check again before concluding that nothing arrived.
 */
export function pendingInput(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Whether `promise` settles, either way, within `ms` milliseconds. Never rejects, and does not cancel the promise. */
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
