import { RedisRegistryStore, systemClock, type Change, type Clock, type WatchScope } from 'nest-service-discovery/core';

/** As many watching stores as there were processes, each with connections of its own. */
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

  /** One more store, which does not watch. */
  open(): RedisRegistryStore {
    const { url, namespace, clock } = this;
    // Sweeps go by a clock of their own, so that they take no notice of time that is skipped.
    const deps = { clock, expiryClock: systemClock };
    const store = new RedisRegistryStore({ url, namespace, commandTimeout: '30s' }, deps);
    this.stores.push(store);
    return store;
  }

  /** Resolves when each has read what is in the scope. */
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

  /** Resolves when each has heard of so many changes from now on. */
  heard(changes: number): Promise<void> {
    const wanted = this.count + changes * this.readings.length;
    return new Promise((resolve) => {
      this.onCount.add(() => {
        if (this.count >= wanted) resolve();
      });
    });
  }

  /** Lets what is due within that time be due now, for all of them. */
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
