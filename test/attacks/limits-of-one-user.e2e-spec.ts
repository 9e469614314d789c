import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MemoryRegistryStore, ServiceCommunicator, ServiceRegistry } from 'nest-service-discovery';
import { type CommunicatorDefaults, UndiciTransport } from 'nest-service-discovery/core';

const ATTACKS = 40;

describe('a user who is over a limit of his own', () => {
  let servers: Server[];
  let store: MemoryRegistryStore;
  let registry: ServiceRegistry;
  let transport: UndiciTransport;
  let attempts: number;

  beforeEach(async () => {
    attempts = 0;
    store = new MemoryRegistryStore();
    registry = new ServiceRegistry(store);
    transport = new UndiciTransport();
    await registry.start();
    servers = [1, 2].map(() =>
      createServer(({ headers }, response) => {
        attempts++;
        response.writeHead(Number(headers['x-answer'] ?? 200)).end('{}');
      }),
    );
    for (const server of servers) {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      await registry.register({ serviceName: 'search', host: '127.0.0.1', port }, { heartbeat: 'manual' });
    }
  });

  afterEach(async () => {
    await transport.close();
    await registry.close();
    await store.close();
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
  });

  async function attack(communicator: ServiceCommunicator, status: number): Promise<void> {
    for (let call = 0; call < ATTACKS; call++) {
      const { body } = await communicator.callService('search', { path: '/', headers: { 'x-answer': String(status) } });
      await body.dump();
    }
  }
  const communicatorWith = (defaults: CommunicatorDefaults): ServiceCommunicator =>
    new ServiceCommunicator({ registry, transport }, { serviceCircuitBreaker: {}, ...defaults });
  const statesOf = (communicator: ServiceCommunicator): Set<string> =>
    new Set(communicator.circuitBreakers().map(({ state }) => state));

  it.each([408, 429])('cuts off no other user: status %i', async (status) => {
    const communicator = communicatorWith({ retry: false });
    await attack(communicator, status);
    expect(statesOf(communicator)).toEqual(new Set(['closed']));
    expect(communicator.ejections()).toEqual([]);
    expect(await communicator.callServiceJson('search', { path: '/' })).toEqual({});
  });

  it('is tried again at another instance', async () => {
    const communicator = communicatorWith({ retry: { maxAttempts: 2, budget: false } });
    await attack(communicator, 429);
    expect(attempts).toBe(2 * ATTACKS);
  });

  it('is not told from an overloaded service where `ignoredStatuses` says so', async () => {
    const communicator = communicatorWith({ retry: false, circuitBreaker: { ignoredStatuses: [408] } });
    await expect(attack(communicator, 429)).rejects.toMatchObject({ code: 'CIRCUIT_OPEN' });
  });
});
