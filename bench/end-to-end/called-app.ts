/** The app that is called, which speaks what the client of its lane does. Its argument is a `Setup`. */
import { Controller, Get, Module, Param } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type MicroserviceOptions } from 'nest-microservices';
import { moleculerNodeId, moleculerOptions } from '../calls/servers/moleculer-options.js';
import { USER_PATTERN, USER_SERVICE } from './clients.js';
import { type ClientName, type Setup, type User, userOf } from './lanes.js';
import { linkMicroservices } from './microservices-hook.js';
import { serve } from './serve.js';

@Controller('users')
class UserController {
  @Get(':id')
  find(@Param('id') id: string): User {
    return userOf(id);
  }
}

const setup = JSON.parse(process.argv[2]!) as Setup;
const { platform, callerPort, calledPort: port } = setup;

async function startPlain(): Promise<void> {
  @Module({ controllers: [UserController] })
  class UserApp {}
  await serve(UserApp, platform, port);
}

/** Registers with the calling app, which runs the registry. */
async function startDiscoverable(): Promise<void> {
  const { DiscoverableService, ServiceDiscoveryModule } = await import('nest-service-discovery');
  const registryUrl = `http://127.0.0.1:${callerPort}`;
  @DiscoverableService({ name: USER_SERVICE })
  @Module({ imports: [ServiceDiscoveryModule.forRoot({ registryUrl })], controllers: [UserController] })
  class UserApp {}
  await serve(UserApp, platform, port);
}

async function startNode(): Promise<void> {
  const { ServiceBroker } = await import('moleculer');
  const broker = new ServiceBroker(moleculerOptions(moleculerNodeId(0), [port]));
  const get = ({ params: { id } }: { params: { id: string } }): User => userOf(id);
  broker.createService({ name: 'users', actions: { get } });
  await broker.start();
}

async function startMicroservice(): Promise<void> {
  linkMicroservices();
  const { MessagePattern, Payload, Transport } = await import('nest-microservices');
  @Controller()
  class UserHandler {
    @MessagePattern(USER_PATTERN)
    find(@Payload() id: string): User {
      return userOf(id);
    }
  }
  @Module({ controllers: [UserHandler] })
  class UserApp {}
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(UserApp, {
    transport: Transport.TCP,
    options: { host: '127.0.0.1', port },
    logger: false,
    abortOnError: false,
  });
  await app.listen();
}

const START: Readonly<Record<ClientName, () => Promise<void>>> = {
  'http-service': startPlain,
  undici: startPlain,
  'axios-opossum': startPlain,
  ours: startDiscoverable,
  'ours-http-service': startDiscoverable,
  moleculer: startNode,
  microservices: startMicroservice,
};

process.on('disconnect', () => process.exit());
await START[setup.client]();
