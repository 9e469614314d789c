import { type Clock, type Timer } from '../common/index.js';

export interface RoundsDeps {
  readonly clock: Clock;
  run(): Promise<void>;
  /**
   * The time until the next round; undefined: none is needed.
   * @param failures how many rounds in a row were rejected
   */
  delayMs(failures: number): number | undefined;
}

/** Runs a task again and again, in rounds that never overlap. A rejected round only changes when the next one comes. */
export class Rounds {
  /** How many rounds in a row were rejected. */
  failures = 0;
  private timer: Timer | undefined;
  private timerDue = Number.POSITIVE_INFINITY;
  private current: Promise<void> | undefined;
  private isWanted = false;
  private isStopped = false;

  constructor(private readonly deps: RoundsDeps) {}

  /** The round that is running; never rejects. */
  get running(): Promise<void> | undefined {
    return this.current;
  }

  get stopped(): boolean {
    return this.isStopped;
  }

  /** Starts a round now, or right after the current one if that succeeds. */
  runNow(): void {
    if (this.isStopped) return;
    if (this.current) this.isWanted = true;
    else this.begin();
  }

  /** Schedules the next round, unless one is running or scheduled. */
  schedule(): void {
    if (this.timer) return;
    const ms = this.deps.delayMs(this.failures);
    if (ms !== undefined) this.runWithin(ms);
  }

  /** Schedules a round, unless one is running or due sooner. */
  runWithin(ms: number): void {
    const due = this.deps.clock.now() + ms;
    if (this.current || this.isStopped || due >= this.timerDue) return;
    this.cancel();
    this.timerDue = due;
    this.timer = this.deps.clock.setTimer(() => this.begin(), ms, { keepAlive: false });
  }

  /** Cancels the scheduled round. */
  cancel(): void {
    this.timer?.cancel();
    this.timer = undefined;
    this.timerDue = Number.POSITIVE_INFINITY;
  }

  stop(): void {
    this.isStopped = true;
    this.cancel();
  }

  private begin(): void {
    this.cancel();
    this.isWanted = false;
    this.current = this.deps.run().then(
      () => this.end(0),
      () => this.end(this.failures + 1),
    );
  }

  private end(failures: number): void {
    this.failures = failures;
    this.current = undefined;
    if (this.isWanted && failures === 0) this.runNow();
    else this.schedule();
  }
}
