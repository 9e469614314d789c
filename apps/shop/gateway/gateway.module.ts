import { Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { DiscoverableService, ServiceDiscoveryModule, UpstreamErrorFilter } from 'nest-service-discovery';
import { ServiceDiscoveryDashboardModule } from 'nest-service-discovery/dashboard';
import { INSTANCE } from '../support/instance.js';
import { CatalogClient } from './catalog.client.js';
import { ShopController } from './shop.controller.js';
import { ShopService } from './shop.service.js';

@DiscoverableService({ name: 'gateway', version: '1.0.0', tags: ['edge'], metadata: { instance: INSTANCE } })
@Module({
  imports: [
    ServiceDiscoveryModule.forRoot(),
    ServiceDiscoveryModule.forFeature([CatalogClient]),
    // The circuits of the calls that the gateway makes are on its own page.
    ServiceDiscoveryDashboardModule,
  ],
  controllers: [ShopController],
  providers: [ShopService, { provide: APP_FILTER, useClass: UpstreamErrorFilter }],
})
export class GatewayModule {}
