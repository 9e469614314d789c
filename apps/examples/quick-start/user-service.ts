import { Controller, Get, Module, Param } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { DiscoverableService, ServiceDiscoveryModule } from 'nest-service-discovery';

@Controller('users')
class UserController {
  @Get(':id')
  find(@Param('id') id: string) {
    return { id, name: 'Ada', servedBy: process.pid };
  }
}

@DiscoverableService({ name: 'user-service', version: '1.2.0', tags: ['api', 'user'] })
@Module({
  imports: [ServiceDiscoveryModule.forRoot({ registryUrl: process.env.REGISTRY_URL ?? 'http://127.0.0.1:3000' })],
  controllers: [UserController],
})
class UserServiceModule {}

async function main() {
  const app = await NestFactory.create(UserServiceModule);
  app.enableShutdownHooks(); // at shutdown: deregister, finish the calls in flight, then close
  await app.listen(0);
}
void main();
