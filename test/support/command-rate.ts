import { sleep, systemClock } from '../../libs/service-discovery/src/common/index.js';
import { type RedisServer } from './redis-server.js';

/** Commands that no script of the registry calls: those that Redis counts were sent by clients. */
const SENT_BY_CLIENTS =
  /^cmdstat_(evalsha|eval|script\|load|hello|auth|select|ping|p?subscribe|p?unsubscribe|client\|\w+):calls=(\d+)/gm;
const SAMPLE_MS = 50;
const SECOND_MS = 1_000;

interface Sample {
  readonly at: number;
  readonly total: number;
}

/** How many commands a second Redis is sent, by its own count. What asks for the count is not in it. */
export class CommandRate {
  private samples: Sample[] = [];

  private constructor(private readonly server: RedisServer) {}

  /** Takes samples until `holds`. @throws Error when that takes longer than `patienceMs` */
  static async until(holds: () => Promise<boolean>, server: RedisServer, patienceMs: number): Promise<CommandRate> {
    const rate = new CommandRate(server);
    const start = systemClock.now();
    while (!(await holds())) {
      if (systemClock.now() - start > patienceMs) throw new Error(`Waited ${patienceMs} ms in vain`);
      await rate.sample();
      await sleep(systemClock, SAMPLE_MS);
    }
    await rate.sample();
    return rate;
  }

  static during(server: RedisServer, ms: number): Promise<CommandRate> {
    const end = systemClock.now() + ms;
    return CommandRate.until(async () => systemClock.now() >= end, server, 2 * ms);
  }

  /** What was sent in this time and in the one after it. */
  and(later: CommandRate): CommandRate {
    const all = new CommandRate(this.server);
    all.samples = [...this.samples, ...later.samples];
    return all;
  }

  /** Commands a second, over all the time. */
  get mean(): number {
    return rateBetween(this.samples[0]!, this.samples.at(-1)!);
  }

  /** The greatest number of commands in any one second; where samples came late, a second of a longer time. */
  get peak(): number {
    let from = 0;
    return this.samples.reduce((peak, sample) => {
      while (sample.at - this.samples[from + 1]!.at >= SECOND_MS) from += 1;
      const base = this.samples[from]!;
      return sample.at - base.at < SECOND_MS ? peak : Math.max(peak, rateBetween(base, sample));
    }, 0);
  }

  private async sample(): Promise<void> {
    const stats = await this.server.client().info('commandstats');
    const total = [...stats.matchAll(SENT_BY_CLIENTS)].reduce((sum, [, , calls]) => sum + Number(calls), 0);
    this.samples.push({ at: systemClock.now(), total });
  }
}

function rateBetween(first: Sample, last: Sample): number {
  return ((last.total - first.total) / (last.at - first.at)) * SECOND_MS;
}
