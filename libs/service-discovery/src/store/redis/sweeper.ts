import { type Random } from '../../common/index.js';
import { type SelfPreservationOptions } from '../self-preservation.js';
import { type KeySpace } from './keys.js';
import { beginSweep, expire, forgetNames, noteRefusals, touchNames } from './lua-scripts.js';
import { type RedisLink } from './redis-link.js';
import { REFUSES_WRITES } from './refused-writes.js';

/** The time between two sweeps, whichever process makes them. */
export const SWEEP_INTERVAL_MS = 1_000;
/** When nobody swept for this much longer, nothing could be heard of heartbeats either. */
const STALL_MS = 2_000;
/** The most that expiry is held for after a standstill. */
export const LONGEST_GRACE_MS = 30_000;
/**
 * For how long nothing of a service expires after Redis refused to be written to there: twice the longest time between two
 * heartbeats.
 */
const REFUSAL_GRACE_MS = 60_000;
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
  /** Redis lost a part of what it held of a service. */
  readonly onIncomplete: (serviceName: string) => void;
  /** Services that have instances, as far as this process knows. */
  readonly knownNames: () => readonly string[];
  /**
   * Told at each attempt how many processes listen to the server that was asked, and how many servers a process may
   * choose from to listen to.
   */
  readonly onFleet: (processes: number, servers: number) => void;
}

interface SweepTurn {
  /** No heartbeat could arrive before. */
  readonly steadySince: number;
  /** Services of which nothing expires. */
  readonly held: ReadonlySet<string>;
  /** Services whose leases Redis could not renew either; filled by the sweep. */
  readonly refused: Set<string>;
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
    const begin = beginSweep(keys, SWEEP_INTERVAL_MS, STALL_MS, LONGEST_GRACE_MS, REFUSAL_GRACE_MS, keys.processes);
    const [turn, steadySince, processes, ...held] = await link.call(begin);
    onFleet(Number(processes), await link.serversToListenTo());
    if (Number(turn) !== 1) return 0;
    const turnOf: SweepTurn = { steadySince: Number(steadySince), held: new Set(held.map(String)), refused: new Set() };
    try {
      return await this.expireAll(await this.names(), turnOf);
    } finally {
      if (turnOf.refused.size > 0) await link.call(noteRefusals(keys, ...turnOf.refused));
    }
  }

  /** Of all services that are in use; those that the index lost are put back into it. */
  private async names(): Promise<string[]> {
    const { link, keys, knownNames } = this.deps;
    const indexed = await link.names(keys);
    const known = new Set(indexed);
    const lost = knownNames().filter((name) => !known.has(name));
    if (lost.length > 0) await link.call(touchNames(keys, keys.processes, ...lost));
    return [...indexed, ...lost];
  }

  private async expireAll(all: readonly string[], turn: SweepTurn): Promise<number> {
    // In another order each time: where the cap cuts a sweep short, it is not always the same services that wait.
    const names = shuffle(all, this.deps.random);
    const taken = new Map<string, number>();
    let left = CAP_PER_SWEEP;
    // Many services share a round trip, so each has a share of what may be taken; those that used it up get more.
    for (let due = names; due.length > 0 && left > 0;) {
      const share = Math.min(CAP_PER_SERVICE, Math.ceil(left / due.length));
      const full: string[] = [];
      for await (const counts of this.expireEach(due, share, turn)) {
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
    { steadySince, held, refused }: SweepTurn,
  ): AsyncGenerator<(readonly [name: string, count: number])[], void, undefined> {
    const { link, keys, changesKept, onUnreadable, onIncomplete } = this.deps;
    const { share, minInstances } = this.deps.selfPreservation;
    const idle: string[] = [];
    const rounds = link.runEach(names, (name) =>
      expire(keys.of(name), held.has(name) ? 0 : cap, changesKept, share, minInstances, steadySince),
    );
    for await (const answers of rounds) {
      const counts: (readonly [string, number])[] = [];
      for (const [name, answer] of answers) {
        if ('error' in answer) {
          if (REFUSES_WRITES.test(answer.error.message)) refused.add(name);
          else onUnreadable(name, answer.error.message);
          continue;
        }
        const [expired = 0, remaining = 0, isWhole = 1] = answer.reply;
        if (Number(isWhole) !== 1) onIncomplete(name);
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
