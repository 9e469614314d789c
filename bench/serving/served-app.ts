/**
 * A hello-world that tells the processor time that it has used. Its argument is a `Served`. It imports at runtime only what an app
 * installs, since it is copied to where that is installed.
 */
import { createRequire } from 'node:module';
import type * as Common from '@nestjs/common';
import type * as Core from '@nestjs/core';
import type * as PlatformExpress from '@nestjs/platform-express';
import type * as PlatformFastify from '@nestjs/platform-fastify';
import type * as Discovery from 'nest-service-discovery';
import { type Served } from './lanes.js';

const { app: kind, platform, loading } = JSON.parse(process.argv[2]!) as Served;
const require = createRequire(import.meta.url);

async function load<Module>(name: string): Promise<Module> {
  return (loading === 'require' ? require(name) : await import(name)) as Module;
}

await load('reflect-metadata');
const { Controller, Get, Inject, Module } = await load<typeof Common>('@nestjs/common');
const { NestFactory } = await load<typeof Core>('@nestjs/core');

@Controller()
class HelloController {
  @Get('hello')
  hello(): { readonly hello: string } {
    return { hello: 'world' };
  }
}

async function appModule(): Promise<Common.Type> {
  if (kind === 'bare') {
    @Module({ controllers: [HelloController] })
    class BareApp {}
    return BareApp;
  }
  const { ServiceCommunicator, ServiceDiscoveryModule } = await load<typeof Discovery>('nest-service-discovery');
  class Caller {
    constructor(@Inject(ServiceCommunicator) readonly communicator: unknown) {}
  }
  @Module({
    imports: [ServiceDiscoveryModule.forRoot({ mode: 'memory_only' })],
    controllers: [HelloController],
    providers: kind === 'calls' ? [Caller] : [],
  })
  class DiscoverableApp {}
  return DiscoverableApp;
}

async function adapterOf(): Promise<Core.AbstractHttpAdapter> {
  if (platform === 'Fastify') {
    const { FastifyAdapter } = await load<typeof PlatformFastify>('@nestjs/platform-fastify');
    return new FastifyAdapter();
  }
  const { ExpressAdapter } = await load<typeof PlatformExpress>('@nestjs/platform-express');
  return new ExpressAdapter();
}

const app = await NestFactory.create<PlatformFastify.NestFastifyApplication>(await appModule(), await adapterOf(), {
  logger: false,
});
await app.listen(0, '127.0.0.1');
process.on('disconnect', () => process.exit());
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send!(user + system);
});
process.send!((app.getHttpServer().address() as { port: number }).port);
