import { createHash } from 'node:crypto';
import { Redis } from 'ioredis';

type Command = Parameters<Redis['sendCommand']>[0];

const CLOCK_KEYS = ['test:seconds', 'test:micros'] as const;
const sha1 = (text: string): string => createHash('sha1').update(text).digest('hex');
/** The script with a time that a test sets, in place of Redis's own. */
const clocked = (source: string): string =>
  source.replaceAll("redis.call('TIME')", `redis.call('MGET', '${CLOCK_KEYS.join("', '")}')`);

/** SHA-1 of a script as it is → of the script as it runs here. */
const known = new Map<string, string>();

/** A Redis whose scripts run on real Redis, but take the time from two keys. */
export class ClockedRedis extends Redis {
  override sendCommand(command: Command, stream?: never): unknown {
    const args = command.args as string[];
    if (command.name === 'script' && args[0]?.toUpperCase() === 'LOAD') {
      const source = clocked(args[1]!);
      known.set(sha1(args[1]!), sha1(source));
      args[1] = source;
    } else if (command.name === 'evalsha') {
      args[0] = known.get(args[0]!) ?? args[0]!;
    }
    return super.sendCommand(command, stream);
  }

  /** @param ms since the Unix epoch */
  async setTime(ms: number): Promise<void> {
    const seconds = Math.floor(ms / 1_000);
    await this.mset(CLOCK_KEYS[0], String(seconds), CLOCK_KEYS[1], String((ms - seconds * 1_000) * 1_000));
  }
}
