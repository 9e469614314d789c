/** A registry that is fuzzed, in a process of its own. It tells its parent its port, and what it holds when asked. */
import 'reflect-metadata';
import { type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, type Socket } from 'node:net';
import { ConsoleLogger, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { DiscoveryMetrics, ServiceDiscoveryModule, ServiceRegistry } from 'nest-service-discovery';

/** What a process holds after a garbage collection, once every service but those to keep is gone. */
export interface Held {
  readonly heapBytes: number;
  /** Sockets, timers and other resources, by their kind. */
  readonly resources: Readonly<Record<string, number>>;
  /** The latest request of each connection that is open. */
  readonly connections: readonly string[];
  readonly services: number;
  readonly metricLines: number;
  /** Errors that were logged, so far. */
  readonly errors: readonly string[];
}

const [platform = '', token = '', keep = ''] = process.argv.slice(2);
const errors: string[] = [];
class ErrorLog extends ConsoleLogger {
  override error(...parts: unknown[]): void {
    const text = parts.map((part) => (part instanceof Error ? (part.stack ?? String(part)) : String(part))).join(' ');
    // Fastify's own parser reports a client that leaves during the body of a request to a route that is not the API's.
    if (!text.startsWith('Error: aborted')) errors.push(text);
  }
}

class Registry {}
Module({
  imports: [ServiceDiscoveryModule.forRoot({ healthCheck: false, logging: false, api: { token } })],
})(Registry);

const adapter = platform === 'Express' ? new ExpressAdapter() : new FastifyAdapter();
const app = await NestFactory.create(Registry, adapter, { logger: new ErrorLog({ logLevels: ['error'] }) });
await app.listen(0, '127.0.0.1');
const server = app.getHttpServer() as Server;
const connections = new Map<Socket, string>();
server.on('connection', (socket: Socket) => {
  connections.set(socket, 'no request');
  socket.on('close', () => connections.delete(socket));
});
server.prependListener('request', ({ socket, method, url, headers }: IncomingMessage) =>
  connections.set(socket, `${method} ${url} ${JSON.stringify(headers).slice(0, 300)}`),
);
const registry = app.get(ServiceRegistry);
const metrics = app.get(DiscoveryMetrics);

async function held(): Promise<Held> {
  for (const { serviceName } of registry.listServices().filter((service) => service.serviceName !== keep)) {
    for (const { instanceId } of registry.getInstances(serviceName)) {
      await registry.deregister({ serviceName, instanceId });
    }
  }
  const lines = (await metrics.metrics()).split('\n').length;
  for (let run = 0; run < 3; run++) gc!();
  const resources: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) {
    // A file that is just being closed.
    if (kind !== 'CloseReq') resources[kind] = (resources[kind] ?? 0) + 1;
  }
  const { heapUsed } = process.memoryUsage();
  return {
    heapBytes: heapUsed,
    resources,
    connections: [...connections.values()],
    services: registry.listServices().length,
    metricLines: lines,
    errors,
  };
}

process.on('message', () => void held().then((now) => process.send!(now)));
process.send!((server.address() as AddressInfo).port);
