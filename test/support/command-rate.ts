import { sleep, systemClock } from '../../libs/service-discovery/src/common/index.js';
import { type RedisServer } from './redis-server.js';

/** Commands that no script of the registry calls: those counted by Redis were sent by clients. */
const SENT_BY_CLIENTS =
  /^cmdstat_(evalsha|eval|script\|load|hello|auth|select|ping|p?subscribe|p?unsubscribe|client\|\w+):calls=(\d+)/gm;
const SAMPLE_MS = 50;
const SECOND_MS = 1_000;

interface Sample {
  readonly at: number;
  readonly total: number;
}

/** Commands per second that Redis receives, by its own count, without those that read the count. */
export class CommandRate {
  private samples: Sample[] = [];

  private constructor(private readonly server: RedisServer) {}

  /** Samples until `holds`. @throws Error if that takes longer than `patienceMs` */
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

  /** Commands in this interval and the next. */
  and(later: CommandRate): CommandRate {
    const all = new CommandRate(this.server);
    all.samples = [...this.samples, ...later.samples];
    return all;
  }

  /** Commands per second, overall. */
  get mean(): number {
    return rateBetween(this.samples[0]!, this.samples.at(-1)!);
  }

  /** The maximum per second; if samples were late, the rate of a longer interval. */
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
