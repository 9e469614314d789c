import { type Clock, type ServiceTls, settlesWithin } from '../../common/index.js';
import { mayBeCalled, originOf, type ServiceInstance } from '../../model/index.js';
import { ConnectionPool, type PoolOptions } from './connection-pool.js';

/** The most connections opened ahead of requests. */
const MAX_SPARES = 64;

/** One connection pool per origin while it has an instance. Services with TLS settings of their own share no pool. */
export class InstancePools {
  private readonly byOrigin = new Map<string, ConnectionPool>();
  /** Avoids building the origin string for each request. */
  private byInstance = new WeakMap<ServiceInstance, ConnectionPool>();
  /** Pools of instances that are gone, until their requests have ended. */
  private readonly retired = new Set<ConnectionPool>();

  constructor(
    private readonly options: PoolOptions,
    private readonly clock: Clock,
    private readonly tls: ServiceTls,
  ) {
    tls.onRotated(() => {
      for (const pool of this.byOrigin.values()) pool.renew();
    });
  }

  of(to: ServiceInstance): ConnectionPool {
    return this.byInstance.get(to) ?? this.find(to);
  }

  /** Closes the connections to all other instances once they are idle. */
  retain(instances: readonly ServiceInstance[]): void {
    const kept = new Set(instances.map((instance) => this.known(instance)));
    for (const [key, pool] of this.byOrigin) {
      if (kept.has(pool)) continue;
      this.byOrigin.delete(key);
      this.byInstance = new WeakMap();
      this.retired.add(pool);
      void pool.close().finally(() => this.retired.delete(pool));
    }
  }

  /**
   * Opens connections ahead to instances that joined a service in constant use, so that their first request need not
   * wait for one. A service is in constant use if at least half of its other instances have an open connection; idle
   * ones are closed, so a connection to the new instance would soon be opened anyway. Of thousands of occasional
   * callers, hardly any opens a connection that it does not need.
   */
  openAhead(joined: readonly ServiceInstance[], instances: readonly ServiceInstance[]): void {
    const { warmConnections } = this.options;
    if (warmConnections === 0 || joined.length === 0) return;
    const uses = this.usesByOthers(joined, instances);
    let room = MAX_SPARES - [...this.byOrigin.values()].reduce((sum, { spares }) => sum + spares.size, 0);
    for (const instance of joined) {
      const { others, connected } = uses.get(instance.serviceName)!;
      if (!mayBeCalled(instance) || others === 0 || connected * 2 < others) continue;
      const { spares } = this.find(instance);
      for (let count = 0; count < warmConnections && room > 0; count++, room--) spares.openOne();
    }
  }

  /** Waits for requests in flight, including bodies, for up to `closeTimeout`; then closes all connections. */
  async close(): Promise<void> {
    const all = [...this.byOrigin.values(), ...this.retired];
    const closed = Promise.all(all.map((pool) => pool.close()));
    const isInTime = await settlesWithin(this.clock, this.options.closeTimeout, closed);
    if (!isInTime) for (const pool of all) pool.destroy();
    await closed;
    this.byOrigin.clear();
    this.byInstance = new WeakMap();
  }

  /** For each service with new instances: how many others it has, and how many of them have open connections. */
  private usesByOthers(
    joined: readonly ServiceInstance[],
    instances: readonly ServiceInstance[],
  ): Map<string, { others: number; connected: number }> {
    const newcomers = new Set(joined);
    const uses = new Map(joined.map(({ serviceName }) => [serviceName, { others: 0, connected: 0 }]));
    for (const instance of instances) {
      const use = uses.get(instance.serviceName);
      if (!use || newcomers.has(instance)) continue;
      use.others++;
      if (this.known(instance)?.open) use.connected++;
    }
    return uses;
  }

  private known(instance: ServiceInstance): ConnectionPool | undefined {
    return this.byInstance.get(instance) ?? this.byOrigin.get(this.keyOf(instance));
  }

  private find(to: ServiceInstance): ConnectionPool {
    const key = this.keyOf(to);
    let pool = this.byOrigin.get(key);
    if (!pool) {
      const { serviceName } = to;
      pool = new ConnectionPool(originOf(to), this.options, () => this.tls.of(serviceName));
      this.byOrigin.set(key, pool);
    }
    this.byInstance.set(to, pool);
    return pool;
  }

  private keyOf(instance: ServiceInstance): string {
    const origin = originOf(instance);
    return this.tls.isOwn(instance.serviceName) ? `${origin} ${instance.serviceName}` : origin;
  }
}
