import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type ServerResponse } from 'node:http';
import { fakeInstance } from '../../testing/fake-instance.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { TestServer } from '../../testing/test-server.js';
import { RemoteRegistryStore } from './remote-registry-store.js';

/** The behaviour with a real registry is tested end to end. These are answers that a real one never gives. */
describe('RemoteRegistryStore', () => {
  let server: TestServer;
  let store: RemoteRegistryStore;
  let answer: (response: ServerResponse) => void;

  beforeEach(async () => {
    server = await TestServer.http((_request, response) => answer(response));
    store = new RemoteRegistryStore({ url: `http://127.0.0.1:${server.port}`, requestTimeout: '200ms' });
  });

  afterEach(async () => {
    await store.close();
    await server.close();
  });

  const firstChange = (): Promise<unknown> =>
    store.watch({}, new AbortController().signal)[Symbol.asyncIterator]().next();

  it.each([
    [503, 'application/json'],
    [200, 'text/html'],
  ])('gives up a watch that is answered with %i %s and a body that never ends', async (status, type) => {
    answer = (response) => response.writeHead(status, { 'content-type': type }).write('{');
    await expect(firstChange()).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
  });

  describe('an answer without an end', () => {
    const CHUNK = Buffer.alloc(65_536, ' ');
    let sent: number;
    let patient: RemoteRegistryStore;

    beforeEach(() => {
      patient = new RemoteRegistryStore({ url: `http://127.0.0.1:${server.port}`, requestTimeout: '60s' });
    });
    afterEach(() => patient.close());

    /** Answers until the store closes the connection. */
    const answerWithoutEnd = (status: number): void => {
      sent = 0;
      answer = (response) => {
        response.writeHead(status, { 'content-type': 'application/json' });
        const write = (): void => {
          while (!response.destroyed && response.write(CHUNK)) sent += CHUNK.length;
          response.once('drain', write);
        };
        write();
      };
    };

    it.each([
      [200, 64 * 1024 * 1024],
      [500, 16 * 1024 * 1024],
    ])('of status %i is read up to a limit', async (status, most) => {
      for (const ask of [
        () => patient.put(fakeInstance(), 10_000),
        () => patient.renew([{ serviceName: 'users', instanceId: 'a', generation: 1, ttlMs: 10_000 }]),
      ]) {
        answerWithoutEnd(status);
        await expect(ask()).rejects.toMatchObject({
          code: 'REGISTRY_UNAVAILABLE',
          message: expect.stringContaining(`answered with status ${status}, and not as a registry does`),
        });
        expect(sent).toBeLessThan(most);
      }
    });

    it('to a watch is read up to a limit', async () => {
      answerWithoutEnd(200);
      const first = patient.watch({}, new AbortController().signal)[Symbol.asyncIterator]().next();
      await expect(first).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
      expect(sent).toBeLessThan(16 * 1024 * 1024);
    });
  });

  it('says of a watch that the registry cuts off as it shuts down that the connection was closed', async () => {
    answer = (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream', connection: 'close' }).write(': hello\n\n');
      response.socket?.end();
    };
    await expect(firstChange()).rejects.toMatchObject({
      code: 'REGISTRY_UNAVAILABLE',
      message: expect.stringMatching(
        / was lost: the connection was closed before the answer was complete\. See \S+#REGISTRY_UNAVAILABLE$/,
      ),
    });
  });

  it('sends a registration that a limit has refused no sooner than the registry asks for', async () => {
    const clock = new ManualClock();
    const limited = new RemoteRegistryStore({ url: `http://127.0.0.1:${server.port}` }, { clock });
    const statuses: number[] = [];
    const respond = (response: ServerResponse, status: number, body: object): void => {
      statuses.push(status);
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    const put = (serviceName: string): Promise<unknown> => limited.put(fakeInstance({ serviceName }), 60_000);
    const refused = { code: 'REGISTRY_UNAVAILABLE', retryAfterMs: 30_000 };
    const error = { code: 'LIMIT_REACHED', message: 'as many as may', retry_after_ms: 30_000 };
    answer = (response) => respond(response, 429, { error });
    await expect(put('users')).rejects.toMatchObject(refused);
    answer = (response) => respond(response, 201, { generation: 1, ttl: 60 });
    await expect(put('users')).rejects.toMatchObject(refused);
    await expect(put('orders')).resolves.toMatchObject({ generation: 1 });
    clock.advance(29_999);
    await expect(put('users')).rejects.toMatchObject(refused);
    clock.advance(1);
    await expect(put('users')).resolves.toMatchObject({ generation: 1 });
    expect(statuses).toEqual([429, 201, 201]);
    await limited.close();
  });

  it("reports the registry's error for a watch", async () => {
    answer = (response) => {
      const error = { code: 'INVALID_REQUEST', message: 'services: no such thing' };
      response.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify({ error }));
    };
    await expect(firstChange()).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
      message: expect.stringContaining('services: no such thing'),
    });
  });
});
