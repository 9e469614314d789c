import { Module } from '@nestjs/common';
import { DiscoverableService, ServiceDiscoveryModule } from 'nest-service-discovery';
import { ChaosModule } from '../support/chaos.js';
import { INSTANCE } from '../support/instance.js';
import { StockController } from './stock.controller.js';

@DiscoverableService({ name: 'inventory-service', version: '1.0.3', tags: ['stock'], metadata: { instance: INSTANCE } })
@Module({ imports: [ServiceDiscoveryModule.forRoot(), ChaosModule], controllers: [StockController] })
export class InventoryServiceModule {}
