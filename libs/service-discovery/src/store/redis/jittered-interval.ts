import { type Clock, type Random, type Timer } from '../../common/index.js';

/** A run that is later than this shows that the process was stalled. */
const STALL_MS = 1_000;

/** Must not reject. */
export type IntervalTask = (run: {
  /** How long this process was stalled until now, in milliseconds; 0 if it was not. */
  readonly stalledMs: number;
}) => Promise<void>;

/** Runs a task at a jittered interval. Runs never overlap, and the timer does not keep the process alive. */
export class JitteredInterval {
  private timer: Timer | undefined;
  private running = false;

  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly intervalMs: number,
    private readonly task: IntervalTask,
  ) {}

  start(): void {
    if (this.running) return;
    this.running = true;
    this.arm();
  }

  stop(): void {
    this.running = false;
    this.timer?.cancel();
  }

  private arm(): void {
    if (!this.running) return;
    // Up to a tenth earlier or later, so that processes do not synchronize.
    const ms = this.intervalMs * (0.9 + 0.2 * this.random());
    const due = this.clock.now() + ms;
    this.timer = this.clock.setTimer(() => void this.run(due), Math.ceil(ms), { keepAlive: false });
  }

  private async run(due: number): Promise<void> {
    const lateMs = this.clock.now() - due;
    await this.task({ stalledMs: lateMs > STALL_MS ? lateMs : 0 });
    this.arm();
  }
}
