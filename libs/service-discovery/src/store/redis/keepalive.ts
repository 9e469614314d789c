import { pendingInput, type Clock, type Timer } from '../../common/index.js';

export interface KeepaliveDeps {
  readonly clock: Clock;
  /** The time for an answer, in milliseconds. */
  readonly timeoutMs: number;
  /** Sends something that the other end answers; the answer itself is ignored. */
  readonly ask: () => Promise<unknown>;
  /** Called once, when no answer came. */
  readonly onSilence: () => void;
}

/** The shortest silence before the other end is asked, as a share of `timeoutMs`. */
const SHORTEST_SILENCE = 1 / 10;

/**
 * Detects within `timeoutMs` that the other end of a connection is gone: it asks after half of that time in silence,
 * and waits the other half for an answer. If round trips take longer than a quarter of `timeoutMs`, it waits twice a
 * round trip, up to `timeoutMs`, and asks sooner; the detection is then at most a tenth later. Any data received counts
 * as a sign of life, so a busy connection is never asked. The timers do not keep the process alive.
 */
export class Keepalive {
  private receivedAt: number;
  /** The estimated round trip: the latest one, or its mean with earlier ones if those were longer. */
  private roundTripMs = 0;
  private timer: Timer | undefined;
  private stopped = false;

  constructor(private readonly deps: KeepaliveDeps) {
    this.receivedAt = deps.clock.now();
    this.listen();
  }

  /** Data was received. */
  readonly received = (): void => {
    this.receivedAt = this.deps.clock.now();
  };

  /** Measures a round trip. @throws what `answer` rejects with */
  async time<T>(answer: Promise<T>): Promise<T> {
    const { clock } = this.deps;
    const start = clock.now();
    const value = await answer;
    const tookMs = clock.now() - start;
    this.roundTripMs = Math.max(tookMs, (this.roundTripMs + tookMs) / 2);
    this.received();
    return value;
  }

  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
  }

  private listen(): void {
    if (this.stopped) return;
    const { clock } = this.deps;
    this.after(this.receivedAt + this.silenceMs - clock.now(), () => {
      if (clock.now() - this.receivedAt < this.silenceMs) this.listen();
      else this.ask();
    });
  }

  private ask(): void {
    const { clock, ask, onSilence } = this.deps;
    const requestedAt = clock.now();
    // A failure ends the connection, which is reported elsewhere.
    this.time(ask()).catch(() => undefined);
    this.after(this.patienceMs, () => {
      // After a stall the timer fires before the answer that has arrived is read.
      void pendingInput().then(() => {
        if (this.stopped) return;
        if (this.receivedAt >= requestedAt) this.listen();
        else onSilence();
      });
    });
  }

  /** How long to wait for an answer. */
  private get patienceMs(): number {
    const { timeoutMs } = this.deps;
    return Math.min(timeoutMs, Math.max(timeoutMs / 2, 2 * this.roundTripMs));
  }

  /** How long a silence lasts before the other end is asked. */
  private get silenceMs(): number {
    const { timeoutMs } = this.deps;
    return Math.max(timeoutMs - this.patienceMs, timeoutMs * SHORTEST_SILENCE);
  }

  private after(ms: number, fn: () => void): void {
    this.timer = this.deps.clock.setTimer(fn, Math.max(0, ms), { keepAlive: false });
  }
}
