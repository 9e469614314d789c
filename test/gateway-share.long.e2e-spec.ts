import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  MemoryRegistryStore,
  ServiceCommunicator,
  ServiceRegistry,
  UndiciTransport,
} from 'nest-service-discovery/core';
import { freePort } from '../bench/support/free-port.js';
import { Nginx } from './support/nginx.js';

const CALLS_PER_SECOND = 200;
/** 400 calls a step: a share of one half is within 5 points of it by four times its deviation, were the draws random. */
const CALLS_PER_STEP = 400;
/** On a machine that lags behind the rate, all calls at once would need more connections than nginx has: 512, two for each call. */
const MOST_AT_ONCE = 50;

/** Counts the requests that came past nginx, which sets the header, and those that came directly. */
class Target {
  readonly counts = { via: 0, direct: 0 };
  private readonly server: Server;

  constructor() {
    this.server = createServer((request, response) => {
      const isVia = request.headers['x-via'] !== undefined;
      // Kong's route takes off its own prefix, as nginx does here.
      response.statusCode = request.url === '/orders/1' ? 200 : 404;
      this.counts[isVia ? 'via' : 'direct']++;
      response.end('{}');
    });
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return (this.server.address() as AddressInfo).port;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

describe('the share of calls through a real gateway', () => {
  const target = new Target();
  let nginx: Nginx;
  let port: number;
  let gatewayPort: number;

  beforeAll(async () => {
    port = await target.listen();
    gatewayPort = await freePort();
    nginx = await Nginx.start(port, 'proxy_set_header x-via kong;', { location: '/users/', listen: gatewayPort });
  });
  afterAll(async () => {
    await nginx.stop();
    target.close();
  });

  it('moves from 100 to 50, 0 and back to 50 % under 200 calls/s without a failed call', async () => {
    const store = new MemoryRegistryStore();
    const registry = new ServiceRegistry(store);
    const caller = new ServiceRegistry(store);
    await Promise.all([registry.start(), caller.start()]);
    const communicator = new ServiceCommunicator({ registry: caller, transport: new UndiciTransport() });
    await registry.register({ serviceName: 'users', host: '127.0.0.1', port });
    const via = { url: `http://127.0.0.1:${gatewayPort}/users`, share: 100 };
    await registry.changeSplit('users', () => ({ via }));

    const failures: unknown[] = [];
    const inFlight = new Set<Promise<unknown>>();
    const began = performance.now();
    let made = 0;
    const step = async (): Promise<number> => {
      const before = { ...target.counts };
      for (let count = 0; count < CALLS_PER_STEP; count++) {
        const dueMs = began + (made++ * 1_000) / CALLS_PER_SECOND - performance.now();
        if (dueMs > 1) await sleep(dueMs);
        if (inFlight.size === MOST_AT_ONCE) await Promise.race(inFlight);
        const call = communicator
          .callService('users', { path: '/orders/1' })
          .then(
            (response) => response.status === 200 || failures.push(response.status),
            (error: unknown) => failures.push(error),
          )
          .finally(() => inFlight.delete(call));
        inFlight.add(call);
      }
      await Promise.all(inFlight);
      return (100 * (target.counts.via - before.via)) / CALLS_PER_STEP;
    };
    const shares = [await step()];
    for (const share of [50, 0, 50]) {
      await registry.setShare('users', share);
      shares.push(await step());
    }
    expect(failures).toEqual([]);
    expect([shares[0], shares[2]]).toEqual([100, 0]);
    for (const half of [shares[1]!, shares[3]!]) expect(Math.abs(half - 50)).toBeLessThan(5);
    expect(target.counts.via + target.counts.direct).toBe(4 * CALLS_PER_STEP);

    await communicator.close();
    await Promise.all([registry.close(), caller.close()]);
    await store.close();
  });

  it('fails no call while the gateway is away, if it has not all of them', async () => {
    const store = new MemoryRegistryStore();
    const registry = new ServiceRegistry(store);
    await registry.start();
    const communicator = new ServiceCommunicator({ registry, transport: new UndiciTransport() });
    await registry.register({ serviceName: 'users', host: '127.0.0.1', port });
    // No process listens at port 1.
    await registry.changeSplit('users', () => ({ via: { url: 'http://127.0.0.1:1', share: 50 } }));
    for (let call = 0; call < 40; call++) {
      expect((await communicator.callService('users', { path: '/orders/1' })).status).toBe(200);
    }
    await registry.setShare('users', 100);
    await expect(communicator.callService('users', { path: '/orders/1' })).rejects.toThrow('ECONNREFUSED');
    await communicator.close();
    await registry.close();
    await store.close();
  });
});
