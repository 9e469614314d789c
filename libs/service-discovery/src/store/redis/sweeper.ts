import { type Random } from '../../common/index.js';
import { type SelfPreservationOptions } from '../self-preservation.js';
import { type KeySpace } from './keys.js';
import { beginSweep, expire, forgetNames } from './lua-scripts.js';
import { type RedisLink } from './redis-link.js';

/** The time between two sweeps, whichever process makes them. */
export const SWEEP_INTERVAL_MS = 1_000;
/** When nobody swept for this much longer, nothing could be heard of heartbeats either. */
const STALL_MS = 2_000;
/** The most that expiry is held for after a standstill. */
export const LONGEST_GRACE_MS = 30_000;
/** The most that one sweep takes out of a service, and altogether: a sweep must not keep Redis from its other work. */
const CAP_PER_SERVICE = 100;
const CAP_PER_SWEEP = 2_000;
/** For how long a service without instances keeps its place in the index. */
const IDLE_MS = 3_600_000;

export interface SweeperDeps {
  readonly link: RedisLink;
  readonly keys: KeySpace;
  readonly random: Random;
  readonly changesKept: number;
  readonly selfPreservation: SelfPreservationOptions;
  /** Redis refused to expire what it holds of a service. */
  readonly onUnreadable: (serviceName: string, reason: string) => void;
  /**
   * Told at each attempt how many processes listen to the server that was asked, and how many servers a process may
   * choose from to listen to.
   */
  readonly onFleet: (processes: number, servers: number) => void;
}

/**
 * Takes out instances whose leases have run out, by Redis's own time. Of all processes that try, one makes the sweep of
 * a second; each instance is taken out, and told of, by the script that finds it, so once.
 */
export class Sweeper {
  constructor(private readonly deps: SweeperDeps) {}

  /**
   * @returns how many instances were taken out
   * @throws RegistryUnavailableError
   */
  async sweep(): Promise<number> {
    const { link, keys, onFleet } = this.deps;
    const begin = beginSweep(keys, SWEEP_INTERVAL_MS, STALL_MS, LONGEST_GRACE_MS, keys.processes);
    const [turn, steadySince = 0, processes = 0] = (await link.call(begin)).map(Number);
    onFleet(processes, await link.serversToListenTo());
    if (turn !== 1) return 0;
    // In another order each time: where the cap cuts a sweep short, it is not always the same services that wait.
    const names = shuffle(await link.names(keys), this.deps.random);
    const taken = new Map<string, number>();
    let left = CAP_PER_SWEEP;
    // Many services share a round trip, so each has a share of what may be taken; those that used it up get more.
    for (let due = names; due.length > 0 && left > 0;) {
      const share = Math.min(CAP_PER_SERVICE, Math.ceil(left / due.length));
      const full: string[] = [];
      for await (const counts of this.expireEach(due, share, steadySince)) {
        for (const [name, count] of counts) {
          const sum = (taken.get(name) ?? 0) + count;
          taken.set(name, sum);
          left -= count;
          if (count === share && sum < CAP_PER_SERVICE) full.push(name);
        }
        if (left <= 0) break;
      }
      due = full;
    }
    return CAP_PER_SWEEP - left;
  }

  /** @returns in rounds, how many were taken out of each service */
  private async *expireEach(
    names: readonly string[],
    cap: number,
    steadySince: number,
  ): AsyncGenerator<(readonly [name: string, count: number])[], void, undefined> {
    const { link, keys, changesKept, onUnreadable } = this.deps;
    const { share, minInstances } = this.deps.selfPreservation;
    const idle: string[] = [];
    const rounds = link.runEach(names, (name) =>
      expire(keys.of(name), cap, changesKept, share, minInstances, steadySince),
    );
    for await (const answers of rounds) {
      const counts: (readonly [string, number])[] = [];
      for (const [name, answer] of answers) {
        if ('error' in answer) {
          onUnreadable(name, answer.error.message);
          continue;
        }
        const [expired = 0, remaining = 0] = answer.reply;
        counts.push([name, Number(expired)]);
        if (Number(remaining) === 0) idle.push(name);
      }
      yield counts;
    }
    if (idle.length > 0) await link.call(forgetNames(keys, IDLE_MS, ...idle));
  }
}

/** Fisher and Yates. */
function shuffle<T>(items: readonly T[], random: Random): T[] {
  const shuffled = [...items];
  for (let last = shuffled.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [shuffled[last], shuffled[other]] = [shuffled[other]!, shuffled[last]!];
  }
  return shuffled;
}
