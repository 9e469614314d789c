import { Module } from '@nestjs/common';
import { DiscoverableService, ServiceDiscoveryModule } from 'nest-service-discovery';
import { INSTANCE } from '../support/instance.js';
import { BestsellerController } from './bestseller.controller.js';

@DiscoverableService({
  name: 'recommendation-backup',
  version: '1.0.0',
  tags: ['backup'],
  metadata: { instance: INSTANCE },
})
@Module({ imports: [ServiceDiscoveryModule.forRoot()], controllers: [BestsellerController] })
export class RecommendationBackupModule {}
