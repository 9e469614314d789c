import { Logger, Module } from '@nestjs/common';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { DiscoverableService, ServiceDiscoveryModule } from 'nest-service-discovery';
import { type ApiOptions } from '../../libs/service-discovery/src/nest/rest/index.js';
import { EventReader } from '../support/event-reader.js';
import { printP99 } from '../support/good-clients.js';
import { Apps, registered } from '../support/nest-app.js';
import { type Answer, PLATFORMS, type RestApp, startRestApp } from '../support/rest-app.js';

const TOKEN = 'a-token-of-the-registry';
/** The attacker is a program on the registry's machine; the good client shows the token, and is another caller. */
const GOOD = { authorization: `Bearer ${TOKEN}` };

const CONNECTIONS = 12;

describe.each(PLATFORMS)('a flood, on %s,', (platform) => {
  const apps = new Apps();
  let rest: RestApp;
  afterEach(async () => {
    await apps.close();
    await rest.close();
    jest.restoreAllMocks();
  });

  async function start(limits: ApiOptions['limits'], api: Partial<ApiOptions> = {}): Promise<void> {
    rest = await startRestApp(platform, { api: { token: TOKEN, limits, ...api } });
  }

  const register = (service: string, id: string, headers: Record<string, string> = {}): Promise<Answer> =>
    rest.send('POST', '/register', {
      json: { service_name: service, instance_id: id, host: '10.0.0.7', port: 8_080, ttl: 3_600 },
      headers,
    });

  /** Sends the requests of an attack, while a good client goes on with its work until it is over. */
  async function attack(count: number, send: (index: number) => Promise<Answer>): Promise<Answer[]> {
    await register('orders', 'good', GOOD);
    let isOver = false;
    const answers: Answer[] = [];
    const indexes = Array.from({ length: count }, (_, index) => index).values();
    const sendAll = async (): Promise<void> => {
      for (const index of indexes) answers.push(await send(index));
    };
    const flood = Promise.all(Array.from({ length: CONNECTIONS }, sendAll)).finally(() => (isOver = true));
    const durations: number[] = [];
    do {
      const began = performance.now();
      const good = [
        await register('orders', 'good', GOOD),
        await rest.send('PUT', '/services/orders/instances/good/heartbeat', { headers: GOOD }),
        await rest.send('GET', '/discover/orders', { headers: GOOD }),
      ];
      durations.push(performance.now() - began);
      expect(good.map(({ status }) => status)).toEqual([200, 200, 200]);
    } while (!isOver);
    printP99(`beside a flood of ${count}, on ${platform}`, durations);
    await flood;
    return answers;
  }

  function refusedBy(answers: readonly Answer[], option: string): Answer[] {
    const refused = answers.filter(({ status }) => status === 429);
    for (const { body } of refused) {
      expect(body.error.code).toBe('LIMIT_REACHED');
      expect(body.error.message).toContain(option);
    }
    return refused;
  }

  const counted = async (limit: string): Promise<number> => {
    const { text } = await rest.send('GET', '/metrics', { headers: GOOD });
    return Number(
      new RegExp(`^service_discovery_api_limit_refusals_total{limit="${limit}"} (\\d+)$`, 'm').exec(text)?.[1],
    );
  };

  it('of registrations of one caller is refused with 429, and that of another caller is not', async () => {
    await start({ registrationsPerMinute: 60 });
    const answers = await attack(150, () => register('users', 'a'));
    const refused = refusedBy(answers, 'api.limits.registrationsPerMinute');
    expect(refused).toHaveLength(90);
    expect(refused[0]!.headers['retry-after']).toBe('1');
    expect(refused[0]!.body.error.retry_after_ms).toBe(1_000);
    expect(await counted('registrations_per_minute')).toBe(90);
    expect((await rest.send('PUT', '/services/users/instances/a/heartbeat')).status).toBe(200);
    rest.clock.advance(1_000);
    expect([(await register('users', 'a')).status, (await register('users', 'a')).status]).toEqual([200, 429]);
  });

  it('of registrations is refused before their bodies are read', async () => {
    await start({ registrationsPerMinute: 1 });
    await register('users', 'a');
    expect((await rest.send('POST', '/register', { raw: '{' })).status).toBe(429);
  });

  it('of registrations delays another service only until it is over, and that service logs it once', async () => {
    await start({ registrationsPerMinute: 30 });
    for (let index = 0; index < 30; index++) await register('orders', 'a', GOOD);
    const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    const refused = new Promise((resolve) => rest.bus.on('api.limit_reached', resolve));
    const remote = { registryUrl: rest.origin, remote: { token: TOKEN }, healthCheck: false } as const;
    @DiscoverableService({ name: 'users' })
    @Module({ imports: [ServiceDiscoveryModule.forRoot(remote)] })
    class UsersModule {}
    const app = await apps.listen(UsersModule);
    await refused;
    rest.clock.advance(2_000);
    expect(await registered(app, 'users')).toMatchObject({ serviceName: 'users' });
    const lines = warn.mock.calls
      .map(([line]: unknown[]) => String(line))
      .filter((line) => line.includes('is not registered'));
    expect(lines).toEqual([
      expect.stringMatching(/^users is not registered; it goes on trying: .*status 429.*registrationsPerMinute/),
    ]);
  });

  it('of services ends at their limit, and those that are there stay and grow', async () => {
    await start({ services: 30 });
    const answers = await attack(120, (index) => register(`made-up-${index}`, 'a'));
    const refused = refusedBy(answers, 'api.limits.services');
    expect(refused).toHaveLength(120 - 29);
    expect(refused[0]!.headers['retry-after']).toBe('30');
    expect(rest.registry.listServices()).toHaveLength(30);
    expect((await register('orders', 'another', GOOD)).status).toBe(201);
    expect(await counted('services')).toBe(91);
  });

  it('of instances of a service ends at their limit, and they can be renewed, replaced and make room', async () => {
    await start({ instancesPerService: 30 });
    const answers = await attack(120, (index) => register('users', `i-${index}`));
    expect(refusedBy(answers, 'api.limits.instancesPerService')).toHaveLength(90);
    const [first] = rest.registry.getInstances('users');
    const { instanceId } = first!;
    expect((await rest.send('PUT', `/services/users/instances/${instanceId}/heartbeat`)).status).toBe(200);
    expect((await register('users', instanceId)).status).toBe(200);
    expect((await register('users', 'one-more')).status).toBe(429);
    await rest.send('DELETE', `/services/users/instances/${instanceId}`);
    expect((await register('users', 'one-more')).status).toBe(201);
    expect(await counted('instances_per_service')).toBe(91);
  });

  it('of instances of one caller ends at their limit, and another caller has its own', async () => {
    await start({ instancesPerCaller: 30 });
    const answers = await attack(120, (index) => register(`made-up-${index % 40}`, `i-${index}`));
    expect(refusedBy(answers, 'api.limits.instancesPerCaller')).toHaveLength(90);
    expect((await register('users', 'a')).status).toBe(429);
    expect((await register('users', 'a', GOOD)).status).toBe(201);
    const { serviceName, instanceId } = rest.registry.listServices().at(-2)!.instances[0]!;
    await rest.send('DELETE', `/services/${serviceName}/instances/${instanceId}`);
    expect((await register('users', 'b')).status).toBe(201);
    // The registrations of the others run out.
    rest.clock.advance(3_700_000);
    await expect(register('users', 'c')).resolves.toMatchObject({ status: 201 });
    expect(await counted('instances_per_caller')).toBe(91);
  });

  it('of streams ends at their limits, and streams that are open go on', async () => {
    await start({}, { maxEventReaders: 4, maxWatches: 4 });
    const open = (path: string): Promise<EventReader> => EventReader.open(`${rest.origin}/service-discovery${path}`);
    const mine = await EventReader.open(`${rest.origin}/service-discovery/watch?services=users`, GOOD);
    expect((await mine.next())?.type).toBe('change');
    const hostile = await Promise.all([open('/watch'), open('/watch'), open('/watch')]);
    hostile.push(...(await Promise.all(Array.from({ length: 4 }, () => open('/events')))));
    const answers = await attack(60, (index) => rest.send('GET', index % 2 === 0 ? '/watch' : '/events'));
    for (const { status, headers } of answers) expect([status, headers['retry-after']]).toEqual([503, '10']);
    expect([await counted('watches'), await counted('event_readers')]).toEqual([30, 30]);
    await register('users', 'a', GOOD);
    expect((await mine.next())?.type).toBe('change');
    await Promise.all([mine, ...hostile].map((reader) => reader.close()));
  });

  it('of requests for long pages gets no more than the limit at once', async () => {
    await start({ pageSize: 2 });
    for (const id of ['a', 'b', 'c']) await register('users', id);
    const { body } = await rest.send('GET', '/services/users?limit=10000');
    expect(body.instances).toHaveLength(2);
    expect(body).toMatchObject({ next: 'b' });
  });
});
