/** A hello-world that tells the processor time that it has used. Arguments: platform, with or without the module. */
import { Controller, Get, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { ServiceDiscoveryModule } from 'nest-service-discovery';
import { type Lane } from './lanes.js';

@Controller()
class HelloController {
  @Get('hello')
  hello(): { readonly hello: string } {
    return { hello: 'world' };
  }
}

@Module({ controllers: [HelloController] })
class BareApp {}

@Module({ imports: [ServiceDiscoveryModule.forRoot({ mode: 'memory_only' })], controllers: [HelloController] })
class DiscoverableApp {}

const { platform, withModule } = JSON.parse(process.argv[2]!) as Lane;
const module: Type = withModule ? DiscoverableApp : BareApp;
const adapter = platform === 'Fastify' ? new FastifyAdapter() : new ExpressAdapter();
const app = await NestFactory.create<NestFastifyApplication>(module, adapter, { logger: false });
await app.listen(0, '127.0.0.1');
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send!(user + system);
});
process.send!((app.getHttpServer().address() as { port: number }).port);
