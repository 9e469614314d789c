import { RegistryUnavailableError, type Clock } from '../../common/index.js';
import { type Lease, type ServiceInstance } from '../../model/index.js';
import { BatchSize } from './batch-size.js';
import { type KeySpace } from './keys.js';
import { put, touchNames } from './lua-scripts.js';
import { type LuaAnswer, type LuaCall } from './lua-call.js';
import { type RedisLink } from './redis-link.js';

/** Registrations per call: a long script would block Redis. */
const REGISTRATIONS_PER_CALL = 100;
/** The most writes in one round trip, and the most concurrent round trips: enough to keep Redis busy. */
const WRITES_PER_ROUND_TRIP = 1_000;
const ROUND_TRIPS_AT_ONCE = 3;

export interface WriteQueueDeps {
  readonly link: RedisLink;
  readonly keys: KeySpace;
  readonly changesKept: number;
  readonly clock: Clock;
}

/** The caller of a write. */
interface Waiter<Reply> {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
}

interface Registration extends Waiter<number> {
  readonly instance: ServiceInstance;
  readonly record: string;
  readonly ttlMs: number;
  /** The claim of a registration that is recovered; undefined for a new one. */
  readonly claim: number | undefined;
}

interface OtherWrite extends Waiter<number> {
  readonly serviceName: string;
  readonly call: LuaCall<number>;
}

type Write = Registration | OtherWrite;

/** Writes that share one call. */
interface Job {
  readonly call: () => LuaCall<number | readonly unknown[]>;
  readonly waiters: readonly Waiter<number>[];
  readonly registers: boolean;
}

/**
 * Sends the writes that are issued together in one round trip, and registrations of one service in one call of a
 * script. Writes to one service take effect in the order in which they were issued, except for a script that Redis does
 * not know yet, which is called again after the others. An error of one call does not affect the others.
 *
 * Writes that do not fit wait for a round trip to complete. The timeout of a command starts when it is sent. If a round
 * trip is not answered, the writes waiting behind it fail with it, so no write waits longer than that for an
 * unreachable Redis.
 */
export class WriteQueue {
  private waiting: Write[] = [];
  private roundTrips = 0;
  private isDue = false;
  private readonly size: BatchSize;

  constructor(private readonly deps: WriteQueueDeps) {
    this.size = new BatchSize(WRITES_PER_ROUND_TRIP, deps.link.commandTimeoutMs, deps.clock);
  }

  /**
   * @param record the instance as it is stored
   * @returns null: a registration with a later claim holds the id
   * @throws RegistryUnavailableError
   */
  async register(instance: ServiceInstance, record: string, ttlMs: number, claim?: number): Promise<Lease | null> {
    const registering = new Promise<number>((resolve, reject) =>
      this.add({ instance, record, ttlMs, claim, resolve, reject }),
    );
    const generation = await registering;
    if (generation === 0) return null;
    return { serviceName: instance.serviceName, instanceId: instance.instanceId, generation, ttlMs };
  }

  /**
   * Calls a script that writes to one service.
   * @throws RegistryUnavailableError
   */
  run(serviceName: string, call: LuaCall<number>): Promise<number> {
    return new Promise((resolve, reject) => this.add({ serviceName, call, resolve, reject }));
  }

  /** Rejects all writes that have not been sent. */
  close(): void {
    this.failWaiting(new RegistryUnavailableError('The registry store is closed'));
  }

  private add(write: Write): void {
    this.waiting.push(write);
    if (this.isDue || this.roundTrips >= ROUND_TRIPS_AT_ONCE) return;
    this.isDue = true;
    // Deferred, so that writes issued in the same turn, also by promises that settled together, share the round trip.
    process.nextTick(() => {
      this.isDue = false;
      this.sendWaiting();
    });
  }

  private sendWaiting(): void {
    while (this.waiting.length > 0 && this.roundTrips < ROUND_TRIPS_AT_ONCE) {
      const batch = this.waiting.slice(0, this.size.next);
      this.waiting = this.waiting.slice(batch.length);
      this.roundTrips += 1;
      void this.send(batch).finally(() => {
        this.roundTrips -= 1;
        this.sendWaiting();
      });
    }
  }

  private async send(writes: readonly Write[]): Promise<void> {
    const { link } = this.deps;
    const jobs = this.jobsOf(writes);
    try {
      const answers = await this.size.time(writes.length, this.ask(jobs, writes));
      jobs.forEach((job, index) => resolveJob(job, answers[index]!, link));
    } catch (error) {
      const failure = link.unavailable(error);
      for (const { reject } of writes) reject(failure);
      this.failWaiting(failure);
    }
  }

  private async ask(jobs: readonly Job[], writes: readonly Write[]): Promise<LuaAnswer<number | readonly unknown[]>[]> {
    const { link, keys } = this.deps;
    const names = new Set(writes.filter(isRegistration).map(({ instance }) => instance.serviceName));
    const calls = jobs.map(({ call }) => call());
    if (names.size === 0) return link.run(calls);
    const [touched, ...answers] = await link.run([touchNames(keys, '', ...names), ...calls]);
    // A service that is missing in the index would not be found by new watches.
    if ('error' in touched!) jobs.forEach(({ registers }, index) => registers && (answers[index] = touched));
    return answers;
  }

  private jobsOf(writes: readonly Write[]): Job[] {
    const jobs: Job[] = [];
    const open = new Map<string, Registration[]>();
    for (const write of writes) {
      if (!isRegistration(write)) {
        // A later registration must not overtake this write.
        open.delete(write.serviceName);
        jobs.push({ call: () => write.call, waiters: [write], registers: false });
        continue;
      }
      const { serviceName } = write.instance;
      const group = open.get(serviceName);
      if (group && group.length < REGISTRATIONS_PER_CALL) {
        group.push(write);
        continue;
      }
      const begun = [write];
      open.set(serviceName, begun);
      jobs.push({ call: () => this.registering(serviceName, begun), waiters: begun, registers: true });
    }
    return jobs;
  }

  private registering(serviceName: string, registrations: readonly Registration[]): LuaCall<readonly unknown[]> {
    const args = registrations.flatMap(({ instance, record, ttlMs, claim }) => [
      instance.instanceId,
      record,
      String(ttlMs),
      instance.lease,
      String(claim ?? ''),
    ]);
    return put(this.deps.keys.of(serviceName), this.deps.changesKept, ...args);
  }

  private failWaiting(error: Error): void {
    for (const { reject } of this.waiting.splice(0)) reject(error);
  }
}

function isRegistration(write: Write): write is Registration {
  return 'instance' in write;
}

function resolveJob({ waiters }: Job, answer: LuaAnswer<number | readonly unknown[]>, link: RedisLink): void {
  if ('error' in answer) {
    const failure = link.unavailable(answer.error);
    for (const { reject } of waiters) reject(failure);
    return;
  }
  const replies = Array.isArray(answer.reply) ? (answer.reply as readonly unknown[]) : [answer.reply];
  waiters.forEach(({ resolve }, index) => resolve(Number(replies[index])));
}
