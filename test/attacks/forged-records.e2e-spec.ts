import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type INestApplication } from '@nestjs/common';
import {
  DiscoveryMetrics,
  EventBus,
  ServiceCommunicator,
  ServiceDiscovery,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
  ServiceRegistry,
} from 'nest-service-discovery';
import { Apps, inRegistry } from '../support/nest-app.js';
import { pollUntil } from '../support/poll.js';
import { RedisAttacker } from '../support/redis-attacker.js';
import { RedisServer } from '../support/redis-server.js';

const SHARED = { key: 'k'.repeat(32) };
const keys = generateKeyPairSync('ed25519');
const privateKey = keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const publicKey = keys.publicKey.export({ type: 'spki', format: 'pem' }).toString();

type Signing = NonNullable<NonNullable<ServiceDiscoveryOptions['redis']>['signing']>;

const apps = new Apps();
const servers: Server[] = [];
let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterEach(async () => {
  await apps.close();
  for (const server of servers.splice(0)) server.close().closeAllConnections();
  await redis.flush();
});
afterAll(() => redis.stop());

class Counted {
  requests = 0;
  private constructor(readonly port: number) {}

  /** @param port of a server that has gone, if it takes over its address */
  static async start(port = 0): Promise<Counted> {
    const server = createServer((_request, response) => {
      counted.requests += 1;
      response.end('{}');
    });
    servers.push(server.listen(port, '127.0.0.1'));
    await once(server, 'listening');
    const counted = new Counted((server.address() as AddressInfo).port);
    return counted;
  }
}

const startApp = (signing?: Signing, more: ServiceDiscoveryOptions = {}): Promise<INestApplication> =>
  apps.listen(
    ServiceDiscoveryModule.forRoot({
      redis: { url: redis.url, ...(signing && { signing }) },
      heartbeatInterval: '200ms',
      healthCheck: false,
      logging: false,
      ...more,
    }),
  );

const register = (
  app: INestApplication,
  instanceId: string,
  { port }: Counted,
  serviceName = 'users',
): Promise<unknown> => app.get(ServiceDiscovery).registerService({ serviceName, instanceId, host: '127.0.0.1', port });

/** Makes enough calls that each instance would get some. @returns how many were answered */
async function callAll(app: INestApplication): Promise<number> {
  const communicator = app.get(ServiceCommunicator);
  const calls = Array.from({ length: 20 }, () => communicator.callServiceJson('users', { path: '/' }));
  const results = await Promise.allSettled(calls);
  return results.filter(({ status }) => status === 'fulfilled').length;
}

const refusals = async (app: INestApplication, kind: string): Promise<number> => {
  const text = await app.get(DiscoveryMetrics).metrics();
  return Number(new RegExp(`registry_troubles_total\\{kind="${kind}"\\} (\\d+)`).exec(text)?.[1]);
};

/** Resolves when the app has refused a record for a reason. */
const refuses = (app: INestApplication, kind: string): Promise<void> =>
  pollUntil(`a ${kind} is refused`, async () => (await refusals(app, kind)) > 0);

describe('an attacker who can write to Redis', () => {
  const attacker = (serviceName = 'users', namespace = 'default'): RedisAttacker =>
    new RedisAttacker(redis.client(), serviceName, namespace);

  /** An owner with one instance, a caller that knows it, and the servers of the owner and the attacker. */
  async function begin(
    signs: Signing | undefined,
    verifies = signs,
  ): Promise<{
    owner: INestApplication;
    caller: INestApplication;
    genuine: Counted;
    evil: Counted;
  }> {
    const [owner, caller] = [await startApp(signs), await startApp(verifies)];
    const [genuine, evil] = [await Counted.start(), await Counted.start()];
    await register(owner, 'a', genuine);
    await inRegistry(caller, ({ services }) => services.get('users'));
    return { owner, caller, genuine, evil };
  }

  /** Calls of a process that knows the service, and of one that reads it for the first time. */
  async function expectNoCalls(caller: INestApplication, evil: Counted, verifies: Signing = SHARED): Promise<void> {
    const fresh = await startApp(verifies);
    expect(await Promise.all([callAll(caller), callAll(fresh)])).toEqual([20, 20]);
    expect(evil.requests).toBe(0);
  }

  it('gets calls for its registrations without signing, so the tests below can fail', async () => {
    const { caller, genuine, evil } = await begin(undefined);
    const { record } = await attacker().read('a');
    await attacker().register('evil', record.replace(`"port":${genuine.port}`, `"port":${evil.port}`));
    await inRegistry(caller, ({ services }) => services.get('users')?.[1]);
    expect(await callAll(caller)).toBe(20);
    expect(evil.requests).toBeGreaterThan(0);
  });

  it.each<[string, Signing, Signing]>([
    ['a shared secret', SHARED, SHARED],
    ['a private key, and callers have the public one', { privateKey }, { publicKeys: [publicKey] }],
  ])('gets no calls for an instance without a signature where owners sign with %s', async (_name, signs, verifies) => {
    const { caller, evil } = await begin(signs, verifies);
    const troubles: unknown[] = [];
    caller.get(EventBus).on('registry.trouble', (trouble) => troubles.push(trouble));
    const fields = JSON.parse((await attacker().read('a')).record) as Record<string, unknown>;
    await attacker().register('evil', JSON.stringify({ ...fields, port: evil.port, signature: undefined }));
    await refuses(caller, 'unsigned_record');
    expect(troubles).toMatchObject([{ kind: 'unsigned_record', service: 'users', instanceId: 'evil' }]);
    await expectNoCalls(caller, evil, verifies);
  });

  it('gets no calls for an instance that it signed with a key of its own', async () => {
    const { caller, evil } = await begin(SHARED);
    await register(await startApp({ key: 'x'.repeat(32) }), 'evil', evil);
    await refuses(caller, 'forged_record');
    await expectNoCalls(caller, evil);
  });

  it('gets no calls for a changed host of a signed instance, and the owner registers its own again', async () => {
    const { owner, caller, genuine, evil } = await begin(SHARED);
    const loot = await attacker().read('a');
    const forged = loot.record.replace(`"port":${genuine.port}`, `"port":${evil.port}`);
    await attacker().write('a', { ...loot, record: forged });
    await pollUntil('the owner repairs it', async () => (await attacker().read('a')).record !== forged);
    await expectNoCalls(caller, evil);
    // With a claim that no registration can have.
    const state = loot.state.replaceAll(/\d{16}/g, '9000000000000000');
    await attacker().write('a', { record: forged, state });
    await pollUntil('the owner repairs it', async () => (await attacker().read('a')).record !== forged);
    await inRegistry(owner, ({ services }) => services.get('users'));
    await expectNoCalls(caller, evil);
  });

  it('gets no calls for a registration that was signed for another service', async () => {
    const { owner, caller, evil } = await begin(SHARED);
    await register(owner, 'b', evil, 'reports');
    await attacker().register('b', (await attacker('reports').read('b')).record);
    await refuses(caller, 'forged_record');
    await expectNoCalls(caller, evil);
  });

  it('gets no calls for a registration that was signed for another namespace', async () => {
    const { caller, evil } = await begin(SHARED);
    await register(await startApp(SHARED, { namespace: 'staging' }), 'b', evil);
    await attacker().register('b', (await attacker('users', 'staging').read('b')).record);
    await refuses(caller, 'forged_record');
    await expectNoCalls(caller, evil);
  });

  it('gets no calls for a registration that has ended, at an address that it has taken over', async () => {
    const { owner, caller, genuine } = await begin(SHARED);
    const leaving = await Counted.start();
    await register(owner, 'b', leaving);
    await inRegistry(caller, ({ services }) => services.get('users')?.[1]);
    const loot = await attacker().read('b');
    await owner.get(ServiceRegistry).deregister({ serviceName: 'users', instanceId: 'b' });
    await inRegistry(caller, ({ services }) => (services.get('users')?.length === 1 ? true : undefined));
    await attacker().register('b', loot.record);
    await refuses(caller, 'replayed_record');
    expect(await callAll(caller)).toBe(20);
    // Those who know of its end remove it again, for those who do not.
    await pollUntil('it is removed', async () => (await attacker().read('b')).record === 'null');
    await expectNoCalls(caller, leaving);
    expect(genuine.requests).toBe(60);
  });

  it('gets no calls at the old address of an instance that has moved', async () => {
    const { owner, caller, genuine } = await begin(SHARED);
    const loot = await attacker().read('a');
    const moved = await Counted.start();
    await register(owner, 'a', moved);
    await inRegistry(caller, ({ services }) => services.get('users')?.find(({ port }) => port === moved.port));
    await attacker().register('a', loot.record);
    await refuses(caller, 'replayed_record');
    expect(await callAll(caller)).toBe(20);
    expect(genuine.requests).toBe(0);
    expect(moved.requests).toBe(20);
    await pollUntil('the owner repairs it', async () => (await attacker().read('a')).record !== loot.record);
    await expectNoCalls(caller, genuine);
  });

  it('removes an instance only until its owner notices', async () => {
    const { caller, evil } = await begin(SHARED);
    const loot = await attacker().read('a');
    const events: string[] = [];
    const bus = caller.get(EventBus);
    bus.on('instance.deregistered', ({ type }) => events.push(type));
    const isBack = new Promise((resolve) => bus.on('instance.registered', resolve));
    await attacker().announceRemoval('a', loot);
    await isBack;
    expect(events).toEqual(['instance.deregistered']);
    await expectNoCalls(caller, evil);
  });
});
