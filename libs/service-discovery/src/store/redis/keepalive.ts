import { pendingInput, type Clock, type Timer } from '../../common/index.js';

export interface KeepaliveDeps {
  readonly clock: Clock;
  /** After how long a silence the other end is asked, and how long it then has to answer, in milliseconds. */
  readonly silenceMs: number;
  /** Asks the other end for a sign of life. What it answers is no matter. */
  readonly ask: () => Promise<unknown>;
  /** Called once, when no answer came. */
  readonly onSilence: () => void;
}

/**
 * Notices within twice the silence that the other end of a connection is gone. Whatever is heard counts as a sign of
 * life, so that a busy connection is never asked. Its timers do not hold the process.
 */
export class Keepalive {
  private heardAt: number;
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

  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
  }

  private listen(): void {
    if (this.stopped) return;
    const { clock, silenceMs } = this.deps;
    this.after(this.heardAt + silenceMs - clock.now(), () => {
      if (clock.now() - this.heardAt < silenceMs) this.listen();
      else this.ask();
    });
  }

  private ask(): void {
    const { clock, silenceMs, ask, onSilence } = this.deps;
    const askedAt = clock.now();
    // What ends the connection is told of elsewhere.
    ask().then(this.heard, () => undefined);
    this.after(silenceMs, () => {
      // A process that stood still finds its timer due and the answer unread.
      void pendingInput().then(() => {
        if (this.stopped) return;
        if (this.heardAt >= askedAt) this.listen();
        else onSilence();
      });
    });
  }

  private after(ms: number, fn: () => void): void {
    this.timer = this.deps.clock.setTimer(fn, Math.max(0, ms), { keepAlive: false });
  }
}
