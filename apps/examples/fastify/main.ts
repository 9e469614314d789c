import { Controller, Get, Module, Param } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { DiscoverableService, ServiceCommunicator, ServiceDiscoveryModule } from 'nest-service-discovery';

/** On Fastify nothing is different: this one calls the service in Python. */
@Controller('greetings')
class GreetingController {
  constructor(private readonly communicator: ServiceCommunicator) {}

  @Get(':name')
  greet(@Param('name') name: string) {
    return this.communicator.callServiceJson('greeter', { path: `/${encodeURIComponent(name)}` });
  }
}

@DiscoverableService({ name: 'greeting-gateway' })
@Module({
  imports: [
    ServiceDiscoveryModule.forRoot({
      registryUrl: process.env.SERVICE_DISCOVERY_REGISTRY_URL ?? 'http://127.0.0.1:3000',
    }),
  ],
  controllers: [GreetingController],
})
class GreetingModule {}

const app = await NestFactory.create<NestFastifyApplication>(GreetingModule, new FastifyAdapter());
app.enableShutdownHooks();
await app.listen(process.env.PORT ?? 0, process.env.HOST ?? '127.0.0.1');
console.log(`greeting-gateway listens on ${await app.getUrl()}`);
