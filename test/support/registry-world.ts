import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { type Clock, RegistryUnavailableError, seededRandom } from '../../libs/service-discovery/src/common/index.js';
import {
  type Change,
  type HealthDetail,
  type HealthStatus,
  type InstanceKey,
  type Lease,
  type LeaseKind,
  type OperatorStatus,
  type ServiceInstance,
  type WatchScope,
} from '../../libs/service-discovery/src/model/index.js';
import { ServiceRegistry } from '../../libs/service-discovery/src/registry/index.js';
import { type RegistryStore } from '../../libs/service-discovery/src/store/index.js';
import { ManualClock } from '../../libs/service-discovery/src/testing/index.js';

/** A single source of truth, with any number of clients. */
export interface SharedStore {
  /** A client, as of another process, whose periodic work follows that process's clock. */
  open(clock: Clock): RegistryStore;
  /** Advances the time that leases depend on. */
  advance(ms: number): Promise<void>;
  /** Loses all data, like a server restart without persistence. */
  forget(): Promise<void>;
  close(): Promise<void>;
}

/**
 * How a process reaches the store:
 * - `up`: normally
 * - `cut`: nothing arrives, and watches end
 * - `deaf`: requests take effect, but no answers arrive, and watches end
 */
export type LinkState = 'up' | 'cut' | 'deaf';

/** Counts work in flight. */
class Traffic {
  private count = 0;
  private waiting: (() => void)[] = [];

  /** @returns marks it as done; idempotent */
  begin(): () => void {
    this.count += 1;
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      this.count -= 1;
      if (this.count === 0) for (const resolve of this.waiting.splice(0)) resolve();
    };
  }

  /** Resolves when nothing is in flight, including follow-up work. */
  async quiet(): Promise<void> {
    for (let turns = 0; turns < 3; turns++) {
      if (this.count > 0) {
        await new Promise<void>((resolve) => this.waiting.push(resolve));
        turns = 0;
      }
      await nextTurn();
    }
  }
}

/** A process's connection to its store, which a test can break. */
class Link implements RegistryStore {
  private state: LinkState = 'up';
  private connections = new AbortController();

  constructor(
    private readonly store: RegistryStore,
    /** Calls, and watches until they open. */
    private readonly traffic: Traffic,
  ) {}

  become(state: LinkState): void {
    this.state = state;
    if (state === 'up') return;
    this.connections.abort();
    this.connections = new AbortController();
  }

  put(instance: ServiceInstance, ttlMs: number): Promise<Lease> {
    return this.call(() => this.store.put(instance, ttlMs));
  }

  recover(instance: ServiceInstance, ttlMs: number, claim: number): Promise<Lease | null> {
    return this.call(() => this.store.recover(instance, ttlMs, claim));
  }

  renew(leases: readonly Lease[], by?: LeaseKind): Promise<readonly boolean[]> {
    return this.call(() => this.store.renew(leases, by));
  }

  remove(lease: Lease): Promise<boolean> {
    return this.call(() => this.store.remove(lease));
  }

  setStatus(key: InstanceKey, status: OperatorStatus | HealthStatus, detail?: HealthDetail): Promise<boolean> {
    return this.call(() => this.store.setStatus(key, status, detail));
  }

  async *watch(scope: WatchScope, signal: AbortSignal): AsyncIterable<Change> {
    if (this.state !== 'up') throw unreachable();
    const { signal: connection } = this.connections;
    const opened = this.traffic.begin();
    try {
      for await (const change of this.store.watch(scope, AbortSignal.any([signal, connection]))) {
        opened();
        if (connection.aborted) break;
        yield change;
      }
    } finally {
      opened();
    }
    if (connection.aborted) throw unreachable();
  }

  close(): Promise<void> {
    return this.store.close();
  }

  private async call<T>(act: () => Promise<T>): Promise<T> {
    if (this.state === 'cut') throw unreachable();
    const end = this.traffic.begin();
    try {
      const result = await act();
      if (this.state === 'deaf') throw unreachable();
      return result;
    } finally {
      end();
    }
  }
}

const unreachable = (): RegistryUnavailableError => new RegistryUnavailableError('The test cut the connection');

const TTL_MS = 10_000;
const HEARTBEAT_MS = 3_000;
const STEP_MS = 2_000;
const PATIENCE_MS = 100;

/** A process: its registry and its connection to the store. */
export interface WorldProcess {
  readonly registry: ServiceRegistry;
  readonly link: Link;
}

/** Processes that share a store, all on one manual clock. */
export class RegistryWorld {
  readonly clock = new ManualClock();
  private readonly traffic = new Traffic();
  private readonly running = new Set<WorldProcess>();
  private readonly random = seededRandom(1);

  constructor(private readonly shared: SharedStore) {}

  async start(): Promise<WorldProcess> {
    const link = new Link(this.shared.open(this.clock), this.traffic);
    const registry = new ServiceRegistry(
      link,
      { serviceTtl: TTL_MS, heartbeatInterval: HEARTBEAT_MS },
      { clock: this.clock, random: this.random },
    );
    const process = { registry, link };
    this.running.add(process);
    await registry.start();
    return process;
  }

  /** The process disappears without a notice. */
  async crash(process: WorldProcess): Promise<void> {
    this.running.delete(process);
    process.link.become('cut');
    await process.registry.close();
    await process.link.close();
  }

  /** Advances all clocks in steps shorter than any heartbeat interval, and lets every process do what is due. */
  async advance(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= STEP_MS) {
      const step = Math.min(left, STEP_MS);
      await this.shared.advance(step);
      await this.clock.advanceAsync(step);
      await this.traffic.quiet();
    }
  }

  /** Waits for a promise, advancing the process's own time if it depends on that. */
  async complete<T>(promise: Promise<T>): Promise<T> {
    const over = new AbortController();
    void promise.catch(() => undefined).then(() => over.abort());
    while (!over.signal.aborted) {
      await delay(PATIENCE_MS, undefined, { signal: over.signal }).catch(() => undefined);
      if (!over.signal.aborted) await this.advance(PATIENCE_MS);
    }
    return promise;
  }

  async close(): Promise<void> {
    for (const process of [...this.running]) await this.crash(process);
    await this.shared.close();
  }
}
