import { RedisRegistryStore, systemClock, type Change, type Clock, type WatchScope } from 'nest-service-discovery/core';

/** Watching stores that represent processes, each with its own connections. */
export class Crowd {
  private readonly leaving = new AbortController();
  private readonly stores: RedisRegistryStore[] = [];
  private readonly readings: Promise<unknown>[] = [];
  private aheadMs = 0;
  private readonly clock: Clock = {
    now: () => systemClock.now() + this.aheadMs,
    epoch: () => systemClock.epoch() + this.aheadMs,
    setTimer: (fn, ms, options) => systemClock.setTimer(fn, ms, options),
  };
  private count = 0;
  private readonly onCount = new Set<() => void>();

  constructor(
    private readonly url: string,
    private readonly namespace: string,
  ) {}

  /** Another store, without a watch. */
  open(): RedisRegistryStore {
    const { url, namespace, clock } = this;
    // Sweeps use another clock, so that skipped time does not affect them.
    const deps = { clock, expiryClock: systemClock };
    const store = new RedisRegistryStore({ url, namespace, commandTimeout: '30s' }, deps);
    this.stores.push(store);
    return store;
  }

  /** Resolves when each has read its scope. */
  async join(count: number, scope: WatchScope): Promise<void> {
    const ready: Promise<void>[] = [];
    const readings = Array.from({ length: count }, () => {
      const store = this.open();
      let isReady: () => void = () => undefined;
      ready.push(new Promise((resolve) => (isReady = resolve)));
      return this.read(store.watch(scope, this.leaving.signal), isReady);
    });
    this.readings.push(...readings);
    await Promise.race([Promise.all(ready), Promise.all(readings)]);
  }

  /** Resolves when each has received that many more changes. */
  heard(changes: number): Promise<void> {
    const wanted = this.count + changes * this.readings.length;
    return new Promise((resolve) => {
      this.onCount.add(() => {
        if (this.count >= wanted) resolve();
      });
    });
  }

  /** Makes everything due that falls within that time, for all of them. */
  skip(ms: number): void {
    this.aheadMs += ms;
  }

  async leave(): Promise<void> {
    this.leaving.abort();
    await Promise.all(this.readings);
    await Promise.all(this.stores.map((store) => store.close()));
  }

  private async read(changes: AsyncIterable<Change>, isReady: () => void): Promise<void> {
    for await (const change of changes) {
      if (change.type === 'reset') isReady();
      else this.count += 1;
      for (const look of this.onCount) look();
    }
  }
}
