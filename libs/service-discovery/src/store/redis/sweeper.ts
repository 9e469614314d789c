import { type Clock, type Random, type Timer } from '../../common/index.js';
import { type SelfPreservationOptions } from '../self-preservation.js';
import { type KeySpace } from './keys.js';
import { beginSweep, expire, forgetNames, noteRefusals, touchNames } from './lua-scripts.js';
import { type RedisLink } from './redis-link.js';
import { REFUSES_WRITES } from './refused-writes.js';

/** The time between two sweeps, by any process. */
export const SWEEP_INTERVAL_MS = 1_000;
/** If the last sweep is this much longer ago, Redis or all processes were stalled, and heartbeats with them. */
const STALL_MS = 2_000;
/** The longest that expiry is held after a stall. */
export const LONGEST_GRACE_MS = 30_000;
/** How long nothing of a service expires after Redis refused its writes: twice the longest heartbeat interval. */
const REFUSAL_GRACE_MS = 60_000;
/** The most that one sweep removes from a service and in total, since a sweep must not block Redis. */
const CAP_PER_SERVICE = 100;
const CAP_PER_SWEEP = 2_000;
/** How long a service without instances stays in the index. */
const IDLE_MS = 3_600_000;

interface SweeperDeps {
  readonly link: RedisLink;
  readonly keys: KeySpace;
  readonly random: Random;
  readonly changesKept: number;
  readonly selfPreservation: SelfPreservationOptions;
  /** Redis rejected the expiry of a service. */
  readonly onUnreadable: (serviceName: string, reason: string) => void;
  /** Redis lost a part of the data of a service. */
  readonly onIncomplete: (serviceName: string) => void;
  /** Services that have instances, as far as this process knows. */
  readonly knownNames: () => readonly string[];
  /**
   * Called at each attempt with the number of processes that listen to the server asked, and the number of servers that
   * a process may listen to.
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
 * Removes instances whose leases have expired by the clock of Redis. All processes try, and one of them sweeps each
 * second. The script that finds an expired instance removes and publishes it, so that happens once.
 */
export class Sweeper {
  constructor(private readonly deps: SweeperDeps) {}

  /**
   * @returns how many instances were removed
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

  /** The names of all services in use. Names that the index lost are added to it again. */
  private async names(): Promise<string[]> {
    const { link, keys, knownNames } = this.deps;
    const indexed = await link.names(keys);
    const known = new Set(indexed);
    const lost = knownNames().filter((name) => !known.has(name));
    if (lost.length > 0) await link.call(touchNames(keys, keys.processes, ...lost));
    return [...indexed, ...lost];
  }

  private async expireAll(all: readonly string[], turn: SweepTurn): Promise<number> {
    // In random order, so that a sweep cut short by the cap does not always skip the same services.
    const names = shuffle(all, this.deps.random);
    const taken = new Map<string, number>();
    let left = CAP_PER_SWEEP;
    // Services share a round trip, so each gets a share of the cap; those that used it up get more in the next pass.
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

  /** @returns in rounds, how many instances were removed from each service */
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

/** Fisher-Yates. */
function shuffle<T>(items: readonly T[], random: Random): T[] {
  const shuffled = [...items];
  for (let last = shuffled.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [shuffled[last], shuffled[other]] = [shuffled[other]!, shuffled[last]!];
  }
  return shuffled;
}

/** Attempts per second, over all processes, that are more than enough to start each sweep in time. */
const TRIES_PER_SECOND = 1_000;
/** When a fleet shrinks, the remaining processes try too rarely for about this long. */
const LONGEST_INTERVAL_MS = 30_000;

/**
 * When a process may try to become the sweeper. All processes try at one key, and so at one server of a Cluster: up to
 * a thousand processes try once a second, more of them less often, so that all together make a thousand attempts a
 * second.
 */
export class SweepPace {
  private dueAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  get isDue(): boolean {
    return this.clock.now() >= this.dueAt;
  }

  /** Call it after each attempt, with the number of processes that it returned. */
  tried(processes: number): void {
    const intervalMs = Math.min(LONGEST_INTERVAL_MS, (processes / TRIES_PER_SECOND) * 1_000);
    const isUnlimited = processes <= TRIES_PER_SECOND;
    // Jittered by half, so that processes do not synchronize.
    this.dueAt = isUnlimited ? Number.NEGATIVE_INFINITY : this.clock.now() + intervalMs * (0.5 + this.random());
  }
}

/** A run that is later than this shows that the process was stalled. */
const LATE_MS = 1_000;

/** Must not reject. */
type IntervalTask = (run: {
  /** How long this process was stalled until now, in milliseconds; 0 if it was not. */
  readonly stalledMs: number;
}) => Promise<void>;

/** Runs a task at a jittered interval. Runs never overlap, and the timer does not keep the process alive. */
export class JitteredInterval {
  private timer: Timer | undefined;
  private running = false;

  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly intervalMs: number,
    private readonly task: IntervalTask,
  ) {}

  start(): void {
    if (this.running) return;
    this.running = true;
    this.arm();
  }

  stop(): void {
    this.running = false;
    this.timer?.cancel();
  }

  private arm(): void {
    if (!this.running) return;
    // Up to a tenth earlier or later, so that processes do not synchronize.
    const ms = this.intervalMs * (0.9 + 0.2 * this.random());
    const due = this.clock.now() + ms;
    this.timer = this.clock.setTimer(() => void this.run(due), Math.ceil(ms), { keepAlive: false });
  }

  private async run(due: number): Promise<void> {
    const lateMs = this.clock.now() - due;
    await this.task({ stalledMs: lateMs > LATE_MS ? lateMs : 0 });
    this.arm();
  }
}
