import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventBus, ServiceCommunicator, ServiceDiscovery, ServiceDiscoveryModule } from 'nest-service-discovery';
import { examples } from './examples.js';

/** An app that imports the installed package, configured by the environment only, and runs examples on request. */

@Controller('own')
class OwnController {
  @Get()
  own(): object {
    return { own: true };
  }
}

@Module({
  imports: [
    ServiceDiscoveryModule.forRootAsync({
      useFactory: () => ({
        ...(process.env.HEALTH_RULE === undefined ? {} : { health: { rule: process.env.HEALTH_RULE as 'majority' } }),
        logging: { levels: { 'call.picked': 'debug' } },
      }),
    }),
  ],
  controllers: [OwnController],
})
class DocumentModule {}

const HEALTH = { status: 'healthy', uptime: 3600, memory_usage: '45%' };

const connections = new Map<string, number>();

/** Answers of the services: 503 if they should fail, although their health checks pass. */
function answer(name: string, request: IncomingMessage, response: ServerResponse): void {
  const { url = '/', method } = request;
  const fails = name === 'primary-ml-service' || failing.has(name);
  const isCheck = url === '/health';
  if (url === '/never') return;
  response.writeHead(fails && !isCheck ? 503 : 200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(isCheck ? HEALTH : { service: name, method, url }));
}

const failing = new Set<string>();
const servers: ReturnType<typeof createServer>[] = [];

async function serve(name: string): Promise<number> {
  const server = createServer((request, response) => answer(name, request, response));
  servers.push(server);
  server.on('connection', () => connections.set(name, (connections.get(name) ?? 0) + 1));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return (server.address() as AddressInfo).port;
}

const app = await NestFactory.create(DocumentModule, { abortOnError: false });
app.enableShutdownHooks();
await app.listen(0, '127.0.0.1');

const context = {
  discovery: app.get(ServiceDiscovery),
  communicator: app.get(ServiceCommunicator),
  events: app.get(EventBus),
  serve,
  failing,
  connections,
};

process.on('message', (name: string) => {
  const run = examples[name] ?? (() => Promise.reject(new Error(`no example ${name}`)));
  run(context).then(
    (value) => process.send?.({ value }),
    (error: Error & { code?: string }) => process.send?.({ error: { code: error.code, message: error.message } }),
  );
});
process.once('disconnect', () => {
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
  void app.close();
});
process.send?.({ url: await app.getUrl() });
