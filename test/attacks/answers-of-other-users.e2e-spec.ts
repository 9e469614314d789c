import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { HttpModule } from '@nestjs/axios';
import { Module } from '@nestjs/common';
import {
  MemoryRegistryStore,
  ServiceCommunicator,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
  ServiceRegistry,
  type Transport,
} from 'nest-service-discovery';
import { type CommunicatorDefaults, UndiciTransport } from 'nest-service-discovery/core';
import { startError } from '../support/nest-app.js';

/** Adds the token of the user whose request is being handled, like an axios interceptor. */
class SigningTransport extends UndiciTransport {
  user = 'ada';

  override dispatch(...[to, request, cancellation]: Parameters<UndiciTransport['dispatch']>) {
    const headers = { ...request.headers, authorization: `Bearer ${this.user}` };
    return super.dispatch(to, { ...request, headers }, cancellation);
  }
}

describe('a response to one user', () => {
  let server: Server;
  let store: MemoryRegistryStore;
  let registry: ServiceRegistry;
  let transport: Transport;
  let responseHeaders: Record<string, string>;
  let isDown: boolean;
  let requests: number;
  /** Responses wait for this many requests. */
  let together: number;
  let waiting: (() => void)[];

  beforeEach(async () => {
    [responseHeaders, isDown, requests, together, waiting] = [{}, false, 0, 1, []];
    server = createServer((request, response) => {
      const { baggage, authorization } = request.headers;
      requests++;
      waiting.push(() => {
        response.writeHead(isDown ? 503 : 200, { 'content-type': 'application/json', ...responseHeaders });
        response.end(JSON.stringify({ user: baggage ?? authorization ?? 'public', request: requests }));
      });
      if (waiting.length >= together) for (const answer of waiting.splice(0)) answer();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    store = new MemoryRegistryStore();
    registry = new ServiceRegistry(store);
    await registry.start();
    const { port } = server.address() as AddressInfo;
    await registry.register({ serviceName: 'accounts', host: '127.0.0.1', port }, { heartbeat: 'manual' });
    transport = new UndiciTransport();
  });

  afterEach(async () => {
    await transport.close();
    await registry.close();
    await store.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const communicatorWith = (defaults: CommunicatorDefaults): ServiceCommunicator =>
    new ServiceCommunicator({ registry, transport }, { retry: false, circuitBreaker: false, ...defaults });
  const ask = (communicator: ServiceCommunicator, headers = {}): Promise<{ user: string; request: number }> =>
    communicator.callServiceJson('accounts', { path: '/me', headers });

  it('is not shared with a user who differs only in `baggage`', async () => {
    const communicator = communicatorWith({ coalescing: true });
    together = 3;
    const [ada, bob, ...honest] = await Promise.all([
      ask(communicator, { baggage: 'userId=ada' }),
      ask(communicator, { baggage: 'userId=bob' }),
      ask(communicator),
      ask(communicator),
    ]);
    expect([ada.user, bob.user]).toEqual(['userId=ada', 'userId=bob']);
    expect(honest.map(({ user }) => user)).toEqual(['public', 'public']);
    expect(requests).toBe(3);
  });

  it('does not replace the failed call of a user who differs only in `baggage`', async () => {
    const communicator = communicatorWith({ lastGood: {} });
    await ask(communicator, { baggage: 'userId=ada' });
    isDown = true;
    await expect(ask(communicator, { baggage: 'userId=bob' })).rejects.toMatchObject({ status: 503 });
    expect(await ask(communicator, { baggage: 'userId=ada' })).toMatchObject({ user: 'userId=ada' });
  });

  it.each<Record<string, string>>([
    { 'set-cookie': 'session=ada' },
    { 'cache-control': 'private' },
    { 'cache-control': 'max-age=60, Private="set-cookie"' },
    { 'cache-control': 'no-cache, no-store' },
  ])('is neither shared nor kept with %j', async (headers) => {
    responseHeaders = headers;
    const communicator = communicatorWith({ coalescing: true, lastGood: {} });
    const answers = await Promise.all([ask(communicator), ask(communicator), ask(communicator)]);
    expect(new Set(answers.map(({ request }) => request)).size).toBe(3);
    isDown = true;
    await expect(ask(communicator)).rejects.toMatchObject({ status: 503 });
  });

  it('is dropped when a later one is private', async () => {
    const communicator = communicatorWith({ lastGood: {} });
    await ask(communicator);
    responseHeaders = { 'cache-control': 'private' };
    await ask(communicator);
    isDown = true;
    await expect(ask(communicator)).rejects.toMatchObject({ status: 503 });
  });

  it('is shared and kept as before when it is public', async () => {
    responseHeaders = { 'cache-control': 'public, max-age=60' };
    const communicator = communicatorWith({ coalescing: true, lastGood: {} });
    const answers = await Promise.all([ask(communicator), ask(communicator), ask(communicator)]);
    expect(answers.map(({ request }) => request)).toEqual([1, 1, 1]);
    isDown = true;
    expect(await ask(communicator)).toEqual(answers[0]);
  });

  it.each(['coalescing', 'lastGood'])('cannot be shared by `%s` over a transport that adds headers', async (name) => {
    await transport.close();
    const signing = new SigningTransport();
    transport = signing;
    const defaults = { [name]: name === 'coalescing' ? true : {} };
    expect(() => communicatorWith(defaults)).toThrow(new RegExp(`${name}.*sendsAsGiven: true`));
    expect(() => communicatorWith({ patterns: { app: defaults } })).toThrow(`patterns.app.${name}`);
    const communicator = communicatorWith({});
    expect(() => communicator.withOptions(defaults)).toThrow(name);
    together = 2;
    const ada = ask(communicator);
    signing.user = 'bob';
    const bob = ask(communicator);
    expect([(await ada).user, (await bob).user]).toEqual(['Bearer ada', 'Bearer bob']);
  });

  it("cannot be shared over the app's own `HttpService`, whose interceptors may sign requests", async () => {
    const options = { transport: 'axios', coalescing: true, lastGood: {} } satisfies ServiceDiscoveryOptions;
    @Module({ imports: [HttpModule, ServiceDiscoveryModule.forRoot(options)] })
    class SigningApp {}
    const error = (await startError(SigningApp)) as Error;
    expect(error).toMatchObject({ code: 'INVALID_CONFIGURATION' });
    expect(error.message).toMatch(/coalescing.*sendsAsGiven[^]*lastGood.*sendsAsGiven/);
  });
});
