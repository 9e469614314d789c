import { pendingInput, type Clock, type Timer } from '../../common/index.js';

export interface KeepaliveDeps {
  readonly clock: Clock;
  /** How long an answer may take, in milliseconds. */
  readonly timeoutMs: number;
  /** Asks the other end for a sign of life. What it answers is no matter. */
  readonly ask: () => Promise<unknown>;
  /** Called once, when no answer came. */
  readonly onSilence: () => void;
}

/** The shortest silence before the other end is asked, as a share of the time for an answer. */
const SHORTEST_SILENCE = 1 / 10;

/**
 * Notices that the other end of a connection is gone within the time for an answer: it is asked after half of it, and has the
 * other half to answer. Where round trips are seen to take longer than a quarter of that time, an answer may take twice as
 * long as they do, up to the whole time, and the other end is asked sooner; then the end is noticed a tenth later at the
 * latest. Whatever is heard counts as a sign of life, so that a busy connection is never asked. Its timers do not hold the
 * process.
 */
export class Keepalive {
  private heardAt: number;
  /** How long a round trip takes: the latest, or the mean with earlier ones where those took longer. */
  private roundTripMs = 0;
  private timer: Timer | undefined;
  private stopped = false;

  constructor(private readonly deps: KeepaliveDeps) {
    this.heardAt = deps.clock.now();
    this.listen();
  }

  /** Something came over the connection. */
  readonly heard = (): void => {
    this.heardAt = this.deps.clock.now();
  };

  /** Waits for an answer of the other end, which shows how long a round trip takes. @throws what `answer` rejects with */
  async time<T>(answer: Promise<T>): Promise<T> {
    const { clock } = this.deps;
    const start = clock.now();
    const value = await answer;
    const tookMs = clock.now() - start;
    this.roundTripMs = Math.max(tookMs, (this.roundTripMs + tookMs) / 2);
    this.heard();
    return value;
  }

  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
  }

  private listen(): void {
    if (this.stopped) return;
    const { clock } = this.deps;
    this.after(this.heardAt + this.silenceMs - clock.now(), () => {
      if (clock.now() - this.heardAt < this.silenceMs) this.listen();
      else this.ask();
    });
  }

  private ask(): void {
    const { clock, ask, onSilence } = this.deps;
    const askedAt = clock.now();
    // What ends the connection is told of elsewhere.
    this.time(ask()).catch(() => undefined);
    this.after(this.patienceMs, () => {
      // A process that stood still finds its timer due and the answer unread.
      void pendingInput().then(() => {
        if (this.stopped) return;
        if (this.heardAt >= askedAt) this.listen();
        else onSilence();
      });
    });
  }

  /** How long an answer may take. */
  private get patienceMs(): number {
    const { timeoutMs } = this.deps;
    return Math.min(timeoutMs, Math.max(timeoutMs / 2, 2 * this.roundTripMs));
  }

  /** After how long a silence the other end is asked. */
  private get silenceMs(): number {
    const { timeoutMs } = this.deps;
    return Math.max(timeoutMs - this.patienceMs, timeoutMs * SHORTEST_SILENCE);
  }

  private after(ms: number, fn: () => void): void {
    this.timer = this.deps.clock.setTimer(fn, Math.max(0, ms), { keepAlive: false });
  }
}
