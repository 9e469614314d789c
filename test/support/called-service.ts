import { createServer, type RequestListener, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { MemoryRegistryStore, ServiceRegistry } from 'nest-service-discovery';
import { UndiciTransport } from 'nest-service-discovery/core';

/** A service whose instances are HTTP servers of this process, and what a communicator needs to call it. */
export class CalledService {
  readonly transport = new UndiciTransport();
  private readonly store = new MemoryRegistryStore();
  readonly registry = new ServiceRegistry(this.store);
  private readonly servers: Server[] = [];

  /** @param answer how each instance answers */
  static async start(serviceName: string, instances: number, answer: RequestListener): Promise<CalledService> {
    const service = new CalledService();
    await service.registry.start();
    for (let index = 0; index < instances; index++) {
      const server = createServer(answer);
      service.servers.push(server);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      await service.registry.register({ serviceName, host: '127.0.0.1', port }, { heartbeat: 'manual' });
    }
    return service;
  }

  async close(): Promise<void> {
    await this.transport.close();
    await this.registry.close();
    await this.store.close();
    for (const server of this.servers) {
      server.closeAllConnections();
      server.close();
    }
  }
}
