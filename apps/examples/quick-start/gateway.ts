import { Controller, Get, Module, Param } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ServiceCommunicator, ServiceDiscoveryModule } from 'nest-service-discovery';

interface User {
  id: string;
  name: string;
  servedBy: number;
}

@Controller()
class GatewayController {
  constructor(private readonly communicator: ServiceCommunicator) {}

  @Get('users/:id')
  user(@Param('id') id: string): Promise<User> {
    return this.communicator.callServiceJson<User>('user-service', { path: `/users/${encodeURIComponent(id)}` });
  }
}

@Module({ imports: [ServiceDiscoveryModule.forRoot()], controllers: [GatewayController] })
class GatewayModule {}

async function main() {
  const app = await NestFactory.create(GatewayModule);
  app.enableShutdownHooks();
  await app.listen(3000);
}
void main();
