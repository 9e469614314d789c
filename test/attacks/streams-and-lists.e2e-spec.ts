import { once } from 'node:events';
import { type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../libs/service-discovery/src/common/index.js';
import { EventReader } from '../support/event-reader.js';
import { PLATFORMS, type RestApp, type RestAppOptions, startRestApp } from '../support/rest-app.js';

describe.each(PLATFORMS)('streams and lists on %s', (platform) => {
  let rest: RestApp;
  const start = async (options?: RestAppOptions): Promise<RestApp> => (rest = await startRestApp(platform, options));
  afterEach(() => rest.close());

  const open = (): Promise<EventReader> => EventReader.open(`${rest.origin}/service-discovery/events`);
  const registerMany = async (serviceName: string, count: number): Promise<void> => {
    for (let index = 0; index < count; index++) {
      const instanceId = `i-${String(index).padStart(5, '0')}`;
      await rest.registry.register({ serviceName, instanceId, host: '10.0.0.7', port: 8_080 }, { heartbeat: 'manual' });
    }
  };

  it('refuse readers beyond the limit with 503, and go on for those that are there', async () => {
    await start({ api: { maxEventReaders: 3, maxWatches: 1 }, clock: systemClock });
    const readers = await Promise.all([open(), open(), open()]);
    for (let refused = 0; refused < 50; refused++) {
      const { status, headers, body } = await rest.send('GET', '/events');
      expect([status, headers['retry-after'], body.error.code]).toEqual([503, '10', 'TOO_MANY_STREAMS']);
      expect(body.error.message).toContain('api.maxEventReaders');
    }
    const watch = await EventReader.open(`${rest.origin}/service-discovery/watch`);
    expect((await rest.send('GET', '/watch')).body.error.message).toContain('api.maxWatches');
    await registerMany('users', 1);
    for (const reader of readers) {
      const types: (string | undefined)[] = [];
      while (types.at(-1) !== 'instance.registered') types.push((await reader.next())?.type);
      // They hear of the refusals, too.
      expect(types).toEqual([...Array<string>(51).fill('api.limit_reached'), 'instance.registered']);
    }
    expect((await watch.next())?.type).toBe('change');
    await readers[0]?.close();
    // The server hears of it a moment later.
    let another = await open();
    while (another.response.statusCode !== 200) {
      await another.close();
      another = await open();
    }
    await Promise.all([...readers, another, watch].map((reader) => reader.close()));
  });

  it('of events are closed to strangers', async () => {
    await start({ peer: '192.0.2.7' });
    expect((await rest.send('GET', '/events')).status).toBe(403);
  });

  it('serialise an event once for all readers', async () => {
    await start({ clock: systemClock });
    const readers = await Promise.all(Array.from({ length: 40 }, open));
    let serialised = 0;
    const reason = { toJSON: () => `serialised ${++serialised} times` } as unknown as string;
    rest.bus.emit('registry.unavailable', { reason, hasSnapshot: true });
    const events = await Promise.all(readers.map((reader) => reader.next()));
    // The journal keeps a text of its own.
    expect(new Set(events.map((event) => JSON.stringify(event?.data))).size).toBe(1);
    await Promise.all(readers.map((reader) => reader.close()));
  });

  it('cut off a reader that falls 1 MB behind, and no other', async () => {
    await start();
    const server = rest.app.getHttpServer() as Server;
    const asked = once(server, 'request') as Promise<[IncomingMessage, ServerResponse]>;
    const slow: Socket = connect(rest.port, '127.0.0.1').pause();
    slow.on('error', () => undefined);
    slow.write('GET /service-discovery/events HTTP/1.1\r\nhost: localhost\r\n\r\n');
    const [, response] = await asked;
    const honest = await open();
    let heard = 0;
    while (!response.destroyed) {
      rest.bus.emit('registry.unavailable', { reason: 'x'.repeat(400_000), hasSnapshot: true });
      rest.clock.advance(50);
      expect((await honest.next())?.type).toBe('registry.unavailable');
      heard++;
    }
    expect(heard).toBeLessThan(100);
    rest.bus.emit('registry.unavailable', { reason: 'the last one', hasSnapshot: true });
    rest.clock.advance(50);
    expect((await honest.next())?.data).toMatchObject({ reason: 'the last one' });
    await honest.close();
    slow.destroy();
  });

  it('show 1,000 instances a page, and all of them page by page', async () => {
    await start();
    await registerMany('huge', 1_200);
    for (const name of ['alpha', 'beta']) await registerMany(name, 2);
    const first = await rest.send('GET', '/services');
    expect(first.body).toMatchObject({
      total: 3,
      next: 'beta',
      services: [{ service_name: 'alpha' }, { service_name: 'beta' }],
    });
    const second = await rest.send('GET', '/services?after=beta');
    expect(second.body).not.toHaveProperty('next');
    expect(second.body.services).toMatchObject([{ total_instances: 1_200, next: 'i-00999' }]);
    expect(second.body.services[0]?.instances).toHaveLength(1_000);
    const rest200 = await rest.send('GET', '/services/huge?after=i-00999');
    expect(rest200.body.instances).toHaveLength(200);
    expect(rest200.body).not.toHaveProperty('next');
    const one = await rest.send('GET', '/services/by-tag/none?limit=1');
    expect(one.body).toEqual({ services: [], total: 0 });
    const health = await rest.send('GET', '/health/aggregated?limit=3');
    expect(health.body).toMatchObject({ total_services: 3, next: 'alpha', services: { alpha: {} } });
    expect(Object.keys(health.body.services)).toEqual(['alpha']);
  });

  it('refuse an invalid limit', async () => {
    await start();
    for (const limit of ['0', '-1', '10001', '1e3', 'all']) {
      const { status, body } = await rest.send('GET', `/services?limit=${limit}`);
      expect([status, body.error.problems[0]?.field]).toEqual([400, 'limit']);
    }
  });
});
