import {
  type Change,
  type Clock,
  type HealthDetail,
  type HealthStatus,
  type InstanceKey,
  type Lease,
  type OperatorStatus,
  type RegistryStore,
  type ServiceInstance,
  type WatchScope,
} from 'nest-service-discovery/core';

/** A store whose changes reach watchers late, as over a network or through a cache. */
export class LaggingStore implements RegistryStore {
  constructor(
    private readonly inner: RegistryStore,
    private readonly clock: Clock,
    private readonly lagMs: number,
  ) {}

  put(instance: ServiceInstance, ttlMs: number): Promise<Lease> {
    return this.inner.put(instance, ttlMs);
  }

  recover(instance: ServiceInstance, ttlMs: number, claim: number): Promise<Lease | null> {
    return this.inner.recover(instance, ttlMs, claim);
  }

  renew(leases: readonly Lease[]): Promise<readonly boolean[]> {
    return this.inner.renew(leases);
  }

  remove(lease: Lease): Promise<boolean> {
    return this.inner.remove(lease);
  }

  setStatus(key: InstanceKey, status: OperatorStatus | HealthStatus, detail?: HealthDetail): Promise<boolean> {
    return this.inner.setStatus(key, status, detail);
  }

  /** The first change, the complete state, is immediate: a watcher waits for it before it starts. */
  async *watch(scope: WatchScope, signal: AbortSignal): AsyncGenerator<Change> {
    const changes = this.inner.watch(scope, signal)[Symbol.asyncIterator]();
    const arrivals: Promise<IteratorResult<Change>>[] = [];
    let isFirst = true;
    // Requested ahead of time, so that lags do not add up.
    const ask = (): void => {
      const lag = isFirst ? 0 : this.lagMs;
      isFirst = false;
      arrivals.push(
        changes.next().then((result) => {
          if (!result.done) ask();
          return lag === 0 || result.done ? result : this.later(result, lag);
        }),
      );
    };
    ask();
    for (let arrival = arrivals.shift(); arrival !== undefined; arrival = arrivals.shift()) {
      const result = await arrival;
      if (result.done) return;
      yield result.value;
    }
  }

  close(): Promise<void> {
    return this.inner.close();
  }

  private later<T>(value: T, ms: number): Promise<T> {
    return new Promise((resolve) => void this.clock.setTimer(() => resolve(value), ms));
  }
}
