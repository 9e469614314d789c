import { type Clock } from '../../common/index.js';

/** How long a reading is used. */
const LIFETIME_MS = 60_000;

/** The clock of Redis, which all processes share, as this process last read it. */
export class RedisTime {
  /** The time of Redis less that of the monotonic clock. */
  private offsetMs: number | undefined;
  private readAt = Number.NEGATIVE_INFINITY;
  private reading: Promise<void> | undefined;

  /** @param ask returns the time of Redis in milliseconds since the Unix epoch */
  constructor(
    private readonly clock: Clock,
    private readonly ask: () => Promise<number>,
  ) {}

  /** Milliseconds since the Unix epoch; by the clock of this process until it is read for the first time. */
  now(): number {
    return this.offsetMs === undefined ? this.clock.epoch() : Math.floor(this.clock.now() + this.offsetMs);
  }

  /** Reads it again after a minute. @throws RegistryUnavailableError */
  async refresh(): Promise<void> {
    if (this.clock.now() - this.readAt < LIFETIME_MS) return;
    await this.read();
  }

  /** Reads it now: another server may have taken over. @throws RegistryUnavailableError */
  read(): Promise<void> {
    this.reading ??= this.readOnce().finally(() => (this.reading = undefined));
    return this.reading;
  }

  private async readOnce(): Promise<void> {
    const asked = this.clock.now();
    const time = await this.ask();
    this.readAt = this.clock.now();
    // Late by the round trip at most. Were it early, what a new process signs could seem older than what it replaces.
    this.offsetMs = time - asked;
  }
}
