import { toInstance, type ServiceInstance } from '../../libs/service-discovery/src/model/index.js';
import {
  RedisRegistryStore,
  type RedisRegistryStoreDeps,
  type RedisRegistryStoreOptions,
} from '../../libs/service-discovery/src/store/index.js';
import { type ServiceRegistryOptions } from '../../libs/service-discovery/src/registry/index.js';
import { ChangeRecorder } from '../../libs/service-discovery/src/testing/index.js';
import { RedisServer, type RedisServerOptions } from './redis-server.js';
import { RegistryMember } from './registry-member.js';

export const TTL_MS = 60_000;
export const COMMAND_TIMEOUT_MS = 500;

/** A redis-server and its clients. {@link end} closes everything opened for a test, in reverse order. */
export class RedisSetting {
  private running: RedisServer | undefined;
  private toClose: (() => unknown)[] = [];

  /** @throws Error before {@link startServer} */
  get server(): RedisServer {
    if (!this.running) throw new Error('The test has started no server');
    return this.running;
  }

  async startServer(options?: RedisServerOptions): Promise<void> {
    const server = await RedisServer.start(options);
    this.running = server;
    this.atEnd(() => server.stop());
  }

  openStore(options: RedisRegistryStoreOptions = {}, deps: RedisRegistryStoreDeps = {}): RedisRegistryStore {
    const where = options.client || options.url ? {} : { url: this.server.url };
    const store = new RedisRegistryStore({ commandTimeout: COMMAND_TIMEOUT_MS, ...where, ...options }, deps);
    this.atEnd(() => store.close());
    return store;
  }

  watch(store: RedisRegistryStore): ChangeRecorder {
    const recorder = new ChangeRecorder(store);
    this.atEnd(() => recorder.stop());
    return recorder;
  }

  /** A watch that has begun. */
  async watching(store: RedisRegistryStore): Promise<ChangeRecorder> {
    const recorder = this.watch(store);
    await recorder.waitFor('a reset', ({ type }) => type === 'reset');
    return recorder;
  }

  member(
    store = this.openStore(),
    options: Partial<ServiceRegistryOptions> = { heartbeatInterval: '500ms' },
  ): RegistryMember {
    const member = new RegistryMember(store, options);
    this.atEnd(() => member.registry.close());
    return member;
  }

  /** Two of them with an instance each, both visible to both. */
  async twoMembers(): Promise<[RegistryMember, RegistryMember]> {
    const [one, two] = [this.member(), this.member()];
    await Promise.all([one.registry.start(), two.registry.start()]);
    await Promise.all([one.register('a'), two.register('b')]);
    await Promise.all([one, two].map((member) => member.until(() => member.ids.length === 2)));
    return [one, two];
  }

  atEnd(close: () => unknown): void {
    this.toClose.push(close);
  }

  async end(): Promise<void> {
    for (const close of this.toClose.splice(0).reverse()) await close();
    this.running = undefined;
  }
}

/** An instance, by default of the service `users`. */
export const instanceOf = (instanceId: string, more: Partial<ServiceInstance> = {}): ServiceInstance => ({
  ...toInstance({ serviceName: 'users', instanceId, host: '127.0.0.1', port: 8080 }, { ttlMs: TTL_MS, now: 0 }),
  ...more,
});

/** The instances of `users`. */
export const idsOf = (recorder: ChangeRecorder): string[] =>
  (recorder.snapshot.services.get('users') ?? []).map(({ instanceId }) => instanceId);
