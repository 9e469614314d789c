import { RegistryUnavailableError, sleep, type Clock } from '../common/index.js';
import {
  type Change,
  type HealthStatus,
  type InstanceKey,
  type Lease,
  type LeaseKind,
  type OperatorStatus,
  type ServiceInstance,
  type ServiceSplit,
  type WatchScope,
  type StatusDetail,
} from '../model/index.js';
import { MemoryRegistryStore, type RegistryStore } from '../store/index.js';

type Method = 'put' | 'recover' | 'renew' | 'remove' | 'setStatus' | 'setSplit' | 'generationNow' | 'watch';

/** A call that reached the store, with its time. */
export interface StoreCall {
  readonly method: Method;
  readonly at: number;
}

/** A store in memory that a test can make unreachable, restart without its data, or keep from answering. */
export class FlakyRegistryStore implements RegistryStore {
  readonly calls: StoreCall[] = [];
  /** How late each change reaches the watchers, in milliseconds. */
  lagMs = 0;
  /** Whether `onReachable` reports the end of an outage. */
  reportsReachable = false;
  /** The leases of each call of `renew`. */
  readonly renewed: (readonly Lease[])[] = [];
  private memory: MemoryRegistryStore;
  private connections = new AbortController();
  private readonly gates = new Map<Method, { wait: Promise<void>; open: () => void }>();
  private readonly waiting = new Set<() => void>();
  private readonly refusals = new Map<Method, number>();
  private readonly refusalListeners = new Set<(refusal: Error | null) => void>();
  private away = false;
  private writeRefusal: Error | null = null;

  constructor(private readonly clock: Clock) {
    this.memory = new MemoryRegistryStore({ clock });
  }

  /** The store without the outage. */
  get truth(): MemoryRegistryStore {
    return this.memory;
  }

  /** The times at which a method was called. */
  timesOf(method: Method): number[] {
    return this.calls.filter((call) => call.method === method).map(({ at }) => at);
  }

  /** Makes every call reject and fails open watches. */
  goAway(): void {
    this.away = true;
    this.connections.abort();
    this.connections = new AbortController();
  }

  comeBack(): void {
    this.away = false;
    for (const listener of [...this.waiting]) listener();
  }

  onReachable(listener: () => void): () => void {
    if (!this.reportsReachable) return () => undefined;
    this.waiting.add(listener);
    return () => this.waiting.delete(listener);
  }

  /** Loses all data and drops the watches, like a restarted registry. */
  async restart(): Promise<void> {
    const old = this.memory;
    this.memory = new MemoryRegistryStore({ clock: this.clock });
    this.connections.abort();
    this.connections = new AbortController();
    await old.close();
  }

  /** Holds the answers of a method, whose calls still take effect, until the returned function is called. */
  hold(method: Method): () => void {
    let open: () => void = () => undefined;
    const wait = new Promise<void>((resolve) => (open = resolve));
    this.gates.set(method, { wait, open });
    return () => {
      this.gates.delete(method);
      open();
    };
  }

  /** Makes the next calls of a method reject. */
  refuse(method: Method, times: number): void {
    this.refusals.set(method, times);
  }

  /** Makes writes reject while watches go on, and reports that, until {@link takeWrites}. */
  refuseWrites(): void {
    this.setRefusal(new RegistryUnavailableError('The store refuses writes'));
  }

  takeWrites(): void {
    this.setRefusal(null);
  }

  onWritesRefused(listener: (refusal: Error | null) => void): () => void {
    this.refusalListeners.add(listener);
    if (this.writeRefusal) listener(this.writeRefusal);
    return () => this.refusalListeners.delete(listener);
  }

  put(instance: ServiceInstance, ttlMs: number): Promise<Lease> {
    return this.answer('put', () => this.memory.put(instance, ttlMs));
  }

  recover(instance: ServiceInstance, ttlMs: number, claim: number): Promise<Lease | null> {
    return this.answer('recover', () => this.memory.recover(instance, ttlMs, claim));
  }

  renew(leases: readonly Lease[], by?: LeaseKind): Promise<readonly boolean[]> {
    this.renewed.push(leases);
    return this.answer('renew', () => this.memory.renew(leases, by));
  }

  remove(lease: Lease): Promise<boolean> {
    return this.answer('remove', () => this.memory.remove(lease));
  }

  setStatus(key: InstanceKey, status: OperatorStatus | HealthStatus, detail?: StatusDetail): Promise<boolean> {
    return this.answer('setStatus', () => this.memory.setStatus(key, status, detail));
  }

  setSplit(serviceName: string, split: ServiceSplit, replaces: ServiceSplit | undefined): Promise<boolean> {
    return this.answer('setSplit', () => this.memory.setSplit(serviceName, split, replaces));
  }

  generationNow(): Promise<number> {
    return this.answer('generationNow', () => this.memory.generationNow());
  }

  async *watch(scope: WatchScope, signal: AbortSignal): AsyncIterable<Change> {
    this.reached('watch');
    const { signal: connection } = this.connections;
    const ended = AbortSignal.any([signal, connection]);
    for await (const change of this.memory.watch(scope, ended)) {
      if (this.lagMs > 0) await sleep(this.clock, this.lagMs, ended).catch(() => undefined);
      yield change;
    }
    if (connection.aborted) throw new RegistryUnavailableError('The connection was lost');
  }

  close(): Promise<void> {
    return this.memory.close();
  }

  private setRefusal(refusal: Error | null): void {
    this.writeRefusal = refusal;
    for (const listener of this.refusalListeners) listener(refusal);
  }

  private async answer<T>(method: Method, act: () => Promise<T>): Promise<T> {
    this.reached(method);
    const result = await act();
    await this.gates.get(method)?.wait;
    return result;
  }

  private reached(method: Method): void {
    this.calls.push({ method, at: this.clock.now() });
    if (this.away) throw new RegistryUnavailableError('The store is away');
    if (this.writeRefusal && method !== 'watch') throw this.writeRefusal;
    const refusals = this.refusals.get(method) ?? 0;
    if (refusals === 0) return;
    this.refusals.set(method, refusals - 1);
    throw new RegistryUnavailableError('The store refuses');
  }
}
