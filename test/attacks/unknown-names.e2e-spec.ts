import { afterEach, describe, expect, it } from '@jest/globals';
import { type INestApplication, Module } from '@nestjs/common';
import { ServiceDiscovery, ServiceDiscoveryModule, ServiceRegistry } from 'nest-service-discovery';
import { Apps, inRegistry, urlOf } from '../support/nest-app.js';

const QUIET = { healthCheck: false, logging: false } as const;
const apps = new Apps();
afterEach(() => apps.close());

@Module({ imports: [ServiceDiscoveryModule.forRoot(QUIET)] })
class Registry {}

/** Names of the maximum length. */
const unknownNames = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `stranger-${index}-`.padEnd(128, 'x'));

async function startFollower(): Promise<{ registry: INestApplication; follower: INestApplication }> {
  const registry = await apps.listen(Registry);
  @Module({ imports: [ServiceDiscoveryModule.forRoot({ ...QUIET, registryUrl: urlOf(registry), follow: 'used' })] })
  class Follower {}
  return { registry, follower: await apps.listen(Follower) };
}

/** Registers another instance, and resolves when the follower shows it. */
async function hearsOfAnother(registry: INestApplication, follower: INestApplication, port: number): Promise<void> {
  const instance = { serviceName: 'users', host: '127.0.0.1', port };
  await registry.get(ServiceRegistry).register(instance, { heartbeat: 'manual' });
  await inRegistry(follower, ({ connected, services }) =>
    connected ? services.get('users')?.find((known) => known.port === port) : undefined,
  );
}

describe('a process that follows only the services it uses', () => {
  it('follows no service that an outsider asks its API about, and keeps its registry', async () => {
    const { registry, follower } = await startFollower();
    await follower.get(ServiceDiscovery).discoverService('users');
    await hearsOfAnother(registry, follower, 8001);
    const names = unknownNames(130);
    const paths = names.flatMap((name) => [
      ...['services', 'discover', 'explain', 'pipeline'].map((route) => `${route}/${name}`),
      `services/${name}/instances/i/history`,
    ]);
    const statuses = await Promise.all(
      paths.map(async (path) => (await fetch(`${urlOf(follower)}/service-discovery/${path}`)).status),
    );
    expect(new Set(statuses)).toEqual(new Set([404]));
    await hearsOfAnother(registry, follower, 8002);
    expect(names.filter((name) => follower.get(ServiceRegistry).follows(name))).toEqual([]);
    const { status } = await fetch(`${urlOf(follower)}/service-discovery/services/users`);
    expect(status).toBe(200);
  });

  it('keeps its registry when its own code looks up more names than fit into a URL', async () => {
    const { registry, follower } = await startFollower();
    const discovery = follower.get(ServiceDiscovery);
    await Promise.all(unknownNames(300).map((name) => discovery.discoverService(name)));
    await discovery.discoverService('users');
    await hearsOfAnother(registry, follower, 8001);
    expect(await discovery.discoverService('users')).toMatchObject({ instance: { port: 8001 } });
    for (const name of unknownNames(300)) expect(await discovery.discoverService(name)).toBeNull();
  });
});
