import { Controller, Get, Module, Param } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { DiscoverableService, ServiceCommunicator, ServiceDiscoveryModule } from 'nest-service-discovery';

@Controller('stock')
class StockController {
  constructor(private readonly communicator: ServiceCommunicator) {}

  @Get('of/:sku')
  of(@Param('sku') sku: string) {
    return { sku, servedBy: process.pid };
  }

  /** Asks any of the processes, this one among them. */
  @Get('ask/:sku')
  ask(@Param('sku') sku: string) {
    return this.communicator.callServiceJson('stock-service', { path: `/stock/of/${encodeURIComponent(sku)}` });
  }
}

/** Start several: all are equal, and none has to be there first. */
@DiscoverableService({ name: 'stock-service' })
@Module({
  imports: [ServiceDiscoveryModule.forRoot({ redis: { url: process.env.REDIS_URL ?? 'redis://127.0.0.1:6379' } })],
  controllers: [StockController],
})
class StockModule {}

const app = await NestFactory.create(StockModule);
app.enableShutdownHooks();
await app.listen(process.env.PORT ?? 0, process.env.HOST ?? '127.0.0.1');
console.log(`stock-service listens on ${await app.getUrl()}`);
