import { createHash } from 'node:crypto';
import { Cluster, Redis, type ClusterNode } from 'ioredis';

type Command = Parameters<Redis['sendCommand']>[0];

const sha1 = (text: string): string => createHash('sha1').update(text).digest('hex');
/** The script with a time that a test sets, in place of Redis's own: it comes as two more arguments, which go at once. */
const clocked = (source: string): string =>
  source.replaceAll("redis.call('TIME')", '{ table.remove(ARGV, #ARGV - 1), table.remove(ARGV) }');

/** SHA-1 of a script as it is → of the script as it runs here. */
const known = new Map<string, string>();
const UNKNOWN = '0'.repeat(40);

let time = 0;

function takeTheTime(redis: Redis): void {
  const sendCommand = redis.sendCommand.bind(redis);
  redis.sendCommand = (command: Command, stream?: never) => {
    const args = command.args as string[];
    if (command.name === 'script' && args[0]?.toUpperCase() === 'LOAD') {
      const source = args[1]!;
      args[1] = clocked(source);
      known.set(sha1(source), sha1(args[1]));
    } else if (command.name === 'evalsha') {
      const original = args[0]!;
      // One that somebody else has loaded as it is must not run here.
      args[0] = known.get(original) ?? UNKNOWN;
      if (args[0] === original || args[0] === UNKNOWN) return sendCommand(command, stream);
      const seconds = Math.floor(time / 1_000);
      args.push(String(seconds), String(Math.round((time - seconds * 1_000) * 1_000)));
    }
    return sendCommand(command, stream);
  };
}

/** A Redis whose scripts run on real Redis, but take the time from the test. */
export class ClockedRedis extends Redis {
  constructor(port: number, host: string) {
    super(port, host);
    takeTheTime(this);
  }

  /** @param ms since the Unix epoch, for all that are clocked */
  async setTime(ms: number): Promise<void> {
    time = ms;
  }
}

/** The primary of a group of servers that Sentinels watch, likewise. */
export class ClockedSentinelRedis extends Redis {
  constructor(sentinels: readonly { readonly host: string; readonly port: number }[], name: string) {
    super({ sentinels: [...sentinels], name });
    takeTheTime(this);
  }

  /** @param ms since the Unix epoch, for all that are clocked */
  setTime(ms: number): void {
    time = ms;
  }
}

/** A Redis Cluster, likewise. */
export class ClockedCluster extends Cluster {
  constructor(nodes: ClusterNode[]) {
    super(nodes);
    this.on('+node', takeTheTime);
  }

  /** @param ms since the Unix epoch, for all that are clocked */
  setTime(ms: number): void {
    time = ms;
  }
}
