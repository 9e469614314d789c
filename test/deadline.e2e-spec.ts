import { afterEach, describe, expect, it } from '@jest/globals';
import { Body, Controller, type DynamicModule, Get, Headers, HttpCode, Module, Post } from '@nestjs/common';
import { request } from 'undici';
import {
  currentDeadline,
  DiscoverableService,
  ServiceCommunicator,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
} from 'nest-service-discovery';
import { DEADLINE_HEADER } from 'nest-service-discovery/core';
import { Apps, PLATFORMS, registered, urlOf } from './support/nest-app.js';

const apps = new Apps();
afterEach(() => apps.close());

interface Seen {
  readonly sent: string | null;
}

@DiscoverableService({ name: 'stock' })
@Controller('stock')
class StockController {
  @Get()
  read(@Headers(DEADLINE_HEADER) sent?: string): Seen {
    return { sent: sent ?? null };
  }
}

@Controller('orders')
class OrderController {
  constructor(private readonly communicator: ServiceCommunicator) {}

  @Get()
  read(): Promise<Seen> {
    return this.communicator.callServiceJson<Seen>('stock', { path: '/stock' });
  }

  @Post()
  @HttpCode(200)
  async order(@Body() body: object): Promise<object> {
    return { body, ...(await this.read()) };
  }

  @Get('own')
  async own(): Promise<object> {
    const failure = await this.communicator
      .callServiceJson('stock', { path: '/stock', timeout: '10s' })
      .catch((error: unknown) => error);
    return { deadline: currentDeadline() ?? null, failure };
  }
}

/** Attempts report when they time out themselves, unless the deadline comes first. */
const PATIENT: ServiceDiscoveryOptions = { healthCheck: false, logging: false, timeout: '1h', attemptTimeout: '1h' };

function shop(options: ServiceDiscoveryOptions = {}): DynamicModule {
  class Shop {}
  Module({ controllers: [StockController, OrderController] })(Shop);
  return {
    module: Shop,
    imports: [ServiceDiscoveryModule.forRoot({ ...PATIENT, ...options })],
  };
}

describe.each(PLATFORMS)('the deadline of a request on %s', (_name, adapter) => {
  async function open(options?: ServiceDiscoveryOptions): Promise<string> {
    const app = await apps.listen(shop(options), adapter);
    await registered(app, 'stock');
    return urlOf(app);
  }

  async function ask(url: string, deadline: unknown, json?: object): Promise<Record<string, unknown>> {
    const response = await request(url, {
      method: json ? 'POST' : 'GET',
      headers: { [DEADLINE_HEADER]: String(deadline), ...(json && { 'content-type': 'application/json' }) },
      body: json && JSON.stringify(json),
      reset: true,
    });
    return (await response.body.json()) as Record<string, unknown>;
  }

  const soon = (): number => Date.now() + 60_000;
  /** Whether calls had only the deadline of their own timeout, one hour. */
  const isOwn = (sent: unknown): boolean => Number(sent) > Date.now() + 1_800_000;

  it('is passed on to the calls made to answer it', async () => {
    const url = await open();
    const deadline = soon();
    expect(await ask(`${url}/orders`, deadline)).toEqual({ sent: String(deadline) });
  });

  it('is passed on from a request with a body', async () => {
    const url = await open();
    const deadline = soon();
    expect(await ask(`${url}/orders`, deadline, { sku: 'a' })).toEqual({ body: { sku: 'a' }, sent: String(deadline) });
  });

  it('can be read by a handler', async () => {
    const url = await open();
    const deadline = soon();
    expect(await ask(`${url}/orders/own`, deadline)).toMatchObject({ deadline });
  });

  it('yields to an earlier timeout', async () => {
    const url = await open({ timeout: '5s', attemptTimeout: '5s' });
    const { sent } = await ask(`${url}/orders`, soon());
    expect(Number(sent)).toBeLessThan(Date.now() + 6_000);
  });

  it('is not mixed up between requests', async () => {
    const url = await open();
    const [first, second] = [soon(), soon() + 1_000];
    const answers = await Promise.all([ask(`${url}/orders`, first), ask(`${url}/orders`, second)]);
    expect(answers).toEqual([{ sent: String(first) }, { sent: String(second) }]);
  });

  it('is ignored if it has passed, since the clocks must differ then', async () => {
    const url = await open();
    expect(isOwn((await ask(`${url}/orders`, Date.now() - 5_000)).sent)).toBe(true);
  });

  it.each(['soon', '-1', '1e12', '9'.repeat(16), ''])('is ignored if malformed: %j', async (malformed) => {
    const url = await open();
    expect(isOwn((await ask(`${url}/orders`, malformed)).sent)).toBe(true);
  });

  it('is not passed on with inheritDeadline: false', async () => {
    const url = await open({ inheritDeadline: false });
    expect(isOwn((await ask(`${url}/orders`, soon())).sent)).toBe(true);
  });
});
