import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { DiscoverableService, ServiceCommunicator, ServiceDiscoveryModule } from 'nest-service-discovery';

/** CommonJS, as `nest new` of Nest 11 makes it: nothing is different but that there is no `await` at the top. */
@Controller()
class InvoiceController {
  constructor(private readonly communicator: ServiceCommunicator) {}

  @Get('invoices')
  invoices() {
    return this.communicator.callServiceJson('order-service', { path: '/orders' });
  }
}

@DiscoverableService({ name: 'invoice-service' })
@Module({
  imports: [
    ServiceDiscoveryModule.forRoot({
      registryUrl: process.env.SERVICE_DISCOVERY_REGISTRY_URL ?? 'http://127.0.0.1:3000',
    }),
  ],
  controllers: [InvoiceController],
})
class InvoiceModule {}

async function main(): Promise<void> {
  const app = await NestFactory.create(InvoiceModule);
  app.enableShutdownHooks();
  await app.listen(process.env.PORT ?? 0, process.env.HOST ?? '127.0.0.1');
  console.log(`invoice-service listens on ${await app.getUrl()}`);
}
void main();
