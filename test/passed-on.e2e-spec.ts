import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, type DynamicModule, Get, Headers, Module } from '@nestjs/common';
import { request } from 'undici';
import {
  currentRequestId,
  DiscoverableService,
  EventBus,
  InvalidConfigurationError,
  ServiceCommunicator,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
} from 'nest-service-discovery';
import { type ServiceDiscoveryEvent } from 'nest-service-discovery/core';
import { Apps, PLATFORMS, registered, startError, urlOf } from './support/nest-app.js';

const apps = new Apps();
afterEach(() => apps.close());

type Sent = Readonly<Record<string, string>>;

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const TRACE: Sent = {
  traceparent: `00-${TRACE_ID}-00f067aa0ba902b7-01`,
  tracestate: 'congo=t61rcWkgMzE,rojo=00f067aa0ba902b7',
  baggage: 'user=7,tenant=blue',
};

@DiscoverableService({ name: 'stock' })
@Controller('stock')
class StockController {
  @Get()
  read(@Headers() headers: Sent): Sent {
    return headers;
  }
}

@Controller('orders')
class OrderController {
  constructor(private readonly communicator: ServiceCommunicator) {}

  @Get()
  async read(): Promise<Sent> {
    // What is passed on survives what a handler waits for.
    await new Promise((resolve) => setImmediate(resolve));
    return this.communicator.callServiceJson<Sent>('stock', { path: '/stock' });
  }

  @Get('by-hand')
  byHand(): Promise<Sent> {
    return this.communicator.callServiceJson<Sent>('stock', { path: '/stock', headers: { 'x-request-id': 'own' } });
  }

  @Get('id')
  id(): object {
    return { id: currentRequestId() ?? null };
  }
}

function shop(options: ServiceDiscoveryOptions): DynamicModule {
  class Shop {}
  Module({ controllers: [StockController, OrderController] })(Shop);
  const quiet = { healthCheck: false, logging: false } as const;
  return { module: Shop, imports: [ServiceDiscoveryModule.forRoot({ ...quiet, ...options })] };
}

describe.each(PLATFORMS)('what a request carries, on %s', (_name, adapter) => {
  async function open(
    options: ServiceDiscoveryOptions = {},
  ): Promise<{ url: string; events: ServiceDiscoveryEvent[] }> {
    const app = await apps.listen(shop(options), adapter);
    await registered(app, 'stock');
    const events: ServiceDiscoveryEvent[] = [];
    app.get(EventBus).onAny((event) => void events.push(event));
    return { url: `${urlOf(app)}/orders`, events };
  }

  const ask = async (url: string, headers: Sent = {}): Promise<Sent> =>
    (await (await request(url, { headers, reset: true })).body.json()) as Sent;

  it('reaches the calls made for it, without any tracer: its id and its trace context', async () => {
    const { url } = await open();
    const given = { 'x-request-id': 'abc-1', ...TRACE };
    expect(await ask(url, given)).toMatchObject(given);
    expect(await ask(`${url}/id`, given)).toEqual({ id: 'abc-1' });
  });

  it('is ignored if it is missing or invalid', async () => {
    const { url } = await open();
    const broken = {
      'x-request-id': `${'x'.repeat(129)}`,
      traceparent: `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
      tracestate: 'a=1',
      baggage: `a=${'x'.repeat(8_200)}`,
    };
    for (const given of [{}, broken, { 'x-request-id': 'two words' }] as Sent[]) {
      const sent = await ask(url, given);
      expect(Object.keys(broken).filter((name) => sent[name] !== undefined)).toEqual([]);
    }
  });

  it('is not mixed up between requests', async () => {
    const { url } = await open();
    const ids = Array.from({ length: 20 }, (_, number) => `request-${number}`);
    const sent = await Promise.all(ids.map((id) => ask(url, { 'x-request-id': id })));
    expect(sent.map((headers) => headers['x-request-id'])).toEqual(ids);
  });

  it('yields to a header that the call sets itself', async () => {
    const { url } = await open();
    expect(await ask(`${url}/by-hand`, { 'x-request-id': 'abc' })).toMatchObject({ 'x-request-id': 'own' });
  });

  it('gets a new id in the configured header if it has none', async () => {
    const { url } = await open({ requestId: { header: 'X-Correlation-Id', create: true } });
    const made = await ask(url, { 'x-request-id': 'of-another-header' });
    expect(made['x-correlation-id']).toMatch(/^[\da-f-]{36}$/);
    expect(made['x-request-id']).toBeUndefined();
    expect(await ask(url, { 'x-correlation-id': 'given' })).toMatchObject({ 'x-correlation-id': 'given' });
  });

  it('has no trace context with traceContext: false, and its id all the same', async () => {
    const { url } = await open({ traceContext: false });
    const sent = await ask(url, { ...TRACE, 'x-request-id': 'r-1' });
    expect(sent).toMatchObject({ 'x-request-id': 'r-1' });
    for (const name of Object.keys(TRACE)) expect(sent).not.toHaveProperty(name);
  });

  it('has no id with requestId: false, and its trace context all the same', async () => {
    const { url } = await open({ requestId: false });
    const sent = await ask(url, { 'x-request-id': 'abc', ...TRACE });
    expect(sent).toMatchObject(TRACE);
    expect(sent['x-request-id']).toBeUndefined();
  });

  it('is added to the events of its calls', async () => {
    const { url, events } = await open();
    await ask(url, { 'x-request-id': 'abc', ...TRACE });
    await ask(url);
    const ended = events.filter(({ type }) => type === 'call.completed');
    expect(ended.map(({ requestId, traceId }) => [requestId, traceId])).toEqual([
      ['abc', TRACE_ID],
      [undefined, undefined],
    ]);
  });
});

it('a header with an invalid name is refused', async () => {
  const error = await startError(shop({ requestId: { header: 'request id' } }));
  expect(error).toBeInstanceOf(InvalidConfigurationError);
  expect((error as Error).message).toContain('requestId.header: expected the name of a header');
});
