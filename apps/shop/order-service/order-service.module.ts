import { Module } from '@nestjs/common';
import { DiscoverableService, ServiceDiscoveryModule } from 'nest-service-discovery';
import { ChaosModule } from '../support/chaos.js';
import { INSTANCE } from '../support/instance.js';
import { InventoryClient } from './inventory.client.js';
import { OrderController } from './order.controller.js';

@DiscoverableService({
  name: 'order-service',
  version: '2.0.1',
  tags: ['api', 'order'],
  metadata: { instance: INSTANCE },
})
@Module({
  imports: [ServiceDiscoveryModule.forRoot(), ServiceDiscoveryModule.forFeature([InventoryClient]), ChaosModule],
  controllers: [OrderController],
})
export class OrderServiceModule {}
