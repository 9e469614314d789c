import { RewrittenScripts } from './rewritten-scripts.js';

const CLOCK_KEYS = ['test:seconds', 'test:micros'] as const;

/** A Redis whose scripts run on real Redis, but take the time from two keys. */
export class ClockedRedis extends RewrittenScripts {
  /** With a time that a test sets, in place of Redis's own. */
  protected rewrite(source: string): string {
    return source.replaceAll("redis.call('TIME')", `redis.call('MGET', '${CLOCK_KEYS.join("', '")}')`);
  }

  /** @param ms since the Unix epoch */
  async setTime(ms: number): Promise<void> {
    const seconds = Math.floor(ms / 1_000);
    await this.mset(CLOCK_KEYS[0], String(seconds), CLOCK_KEYS[1], String((ms - seconds * 1_000) * 1_000));
  }
}
