import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type ServerResponse } from 'node:http';
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

  it('says of a watch that the registry cuts off as it shuts down that the connection was closed', async () => {
    answer = (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream', connection: 'close' }).write(': hello\n\n');
      response.socket?.end();
    };
    await expect(firstChange()).rejects.toMatchObject({
      code: 'REGISTRY_UNAVAILABLE',
      message: expect.stringMatching(/ was lost: the connection was closed before the answer was complete$/),
    });
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
