import { createHash } from 'node:crypto';
import { Cluster, Redis, type ClusterNode } from 'ioredis';

type Command = Parameters<Redis['sendCommand']>[0];

const sha1 = (text: string): string => createHash('sha1').update(text).digest('hex');
/** The script with a time set by the test instead of Redis's own: two more arguments, removed first. */
const clocked = (source: string): string =>
  source.replaceAll("redis.call('TIME')", '{ table.remove(ARGV, #ARGV - 1), table.remove(ARGV) }');

/** SHA-1 of the original script → of the script as it runs here. */
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
      // A script that another client loaded in its original form must not run here.
      args[0] = known.get(original) ?? UNKNOWN;
      if (args[0] === original || args[0] === UNKNOWN) return sendCommand(command, stream);
      const seconds = Math.floor(time / 1_000);
      args.push(String(seconds), String(Math.round((time - seconds * 1_000) * 1_000)));
    }
    return sendCommand(command, stream);
  };
}

/** Runs scripts on a real Redis with time from the test. */
export class ClockedRedis extends Redis {
  constructor(port: number, host: string) {
    super(port, host);
    takeTheTime(this);
  }

  /** @param ms since the Unix epoch, for all clocked clients */
  async setTime(ms: number): Promise<void> {
    time = ms;
  }
}

/** The same for the primary of a Sentinel group. */
export class ClockedSentinelRedis extends Redis {
  constructor(sentinels: readonly { readonly host: string; readonly port: number }[], name: string) {
    super({ sentinels: [...sentinels], name });
    takeTheTime(this);
  }

  /** @param ms since the Unix epoch, for all clocked clients */
  setTime(ms: number): void {
    time = ms;
  }
}

/** The same for a Redis Cluster. */
export class ClockedCluster extends Cluster {
  constructor(nodes: ClusterNode[]) {
    super(nodes);
    this.on('+node', takeTheTime);
  }

  /** @param ms since the Unix epoch, for all clocked clients */
  setTime(ms: number): void {
    time = ms;
  }
}
