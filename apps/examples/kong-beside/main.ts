import { Controller, Get, Module, Param } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { DiscoverableService, ServiceCommunicator, ServiceDiscoveryModule } from 'nest-service-discovery';

/** A caller whose calls to user-service go through Kong at first, and step by step directly to its instances. */
@Controller('users')
class UserController {
  constructor(private readonly communicator: ServiceCommunicator) {}

  @Get(':id')
  user(@Param('id') id: string) {
    return this.communicator.callServiceJson('user-service', { path: `/users/${encodeURIComponent(id)}` });
  }
}

// A process that is registered reports its calls, of which `share` shows attempts, errors and p99.
@DiscoverableService({ name: 'user-gateway' })
@Module({
  imports: [
    ServiceDiscoveryModule.forRoot({
      registryUrl: process.env.SERVICE_DISCOVERY_REGISTRY_URL ?? 'http://127.0.0.1:3000',
      // `npx nest-service-discovery share user-service 80` moves a fifth of the calls of all callers, `100` moves them back.
      services: [{ name: 'user-service', via: process.env.KONG_URL ?? 'http://127.0.0.1:8000', share: 100 }],
    }),
  ],
  controllers: [UserController],
})
class CallerModule {}

const app = await NestFactory.create(CallerModule);
app.enableShutdownHooks();
await app.listen(process.env.PORT ?? 0, process.env.HOST ?? '127.0.0.1');
console.log(`the caller listens on ${await app.getUrl()}`);
