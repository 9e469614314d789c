import { type Clock, type Random, type Timer } from '../../common/index.js';

/** A pulse that comes later than this shows that the process stood still. */
const STALL_MS = 1_000;

/** What happens at a pulse; must not reject. */
export type PulseTask = (pulse: {
  /** For how long, until now, this process stood still; 0 where it did not. */
  readonly stalledMs: number;
}) => Promise<void>;

/** Does something about once a second for as long as it runs. One never overlaps the next; no timer holds the process. */
export class Pulse {
  private timer: Timer | undefined;
  private running = false;

  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly intervalMs: number,
    private readonly task: PulseTask,
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
    // A tenth earlier or later, so that processes do not fall into step.
    const ms = this.intervalMs * (0.9 + 0.2 * this.random());
    const due = this.clock.now() + ms;
    this.timer = this.clock.setTimer(() => void this.beat(due), Math.ceil(ms), { keepAlive: false });
  }

  private async beat(due: number): Promise<void> {
    const lateMs = this.clock.now() - due;
    await this.task({ stalledMs: lateMs > STALL_MS ? lateMs : 0 });
    this.arm();
  }
}
