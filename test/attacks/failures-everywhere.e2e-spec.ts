import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { MemoryRegistryStore, ServiceCommunicator, ServiceRegistry } from 'nest-service-discovery';
import { UndiciTransport } from 'nest-service-discovery/core';
import { printP99 } from '../support/good-clients.js';

const INSTANCES = 4;
const ATTACKERS = 20;
const ATTACKS = 2_000;

describe('a user whose requests fail at every instance', () => {
  const store = new MemoryRegistryStore();
  const registry = new ServiceRegistry(store);
  const transport = new UndiciTransport();
  const servers: Server[] = [];

  beforeAll(async () => {
    await registry.start();
    for (let index = 0; index < INSTANCES; index++) {
      const server = createServer(({ url }, response) => {
        response.writeHead(url === '/crashes' ? 500 : 200).end('{}');
      });
      servers.push(server);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      await registry.register({ serviceName: 'search', host: '127.0.0.1', port }, { heartbeat: 'manual' });
    }
  });

  afterAll(async () => {
    await transport.close();
    await registry.close();
    await store.close();
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
  });

  it('opens half of the circuits at most, and other users are answered', async () => {
    const communicator = new ServiceCommunicator({ registry, transport }, { retry: false });
    let attacked = 0;
    const attack = async (): Promise<void> => {
      while (attacked++ < ATTACKS) {
        const { status, body } = await communicator.callService('search', { path: '/crashes' });
        await body.dump();
        expect(status).toBe(500);
      }
    };
    const attackers = Array.from({ length: ATTACKERS }, attack);
    const times: number[] = [];
    while (attacked < ATTACKS) {
      const began = performance.now();
      expect(await communicator.callServiceJson('search', { path: '/' })).toEqual({});
      times.push(performance.now() - began);
    }
    await Promise.all(attackers);
    const open = communicator.circuitBreakers('search').filter(({ state }) => state !== 'closed');
    expect(open).toHaveLength(INSTANCES / 2);
    printP99(`calls beside ${ATTACKS} that fail at every instance`, times);
  });
});
