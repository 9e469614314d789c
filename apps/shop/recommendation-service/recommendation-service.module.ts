import { Module } from '@nestjs/common';
import { DiscoverableService, ServiceDiscoveryModule } from 'nest-service-discovery';
import { ChaosModule } from '../support/chaos.js';
import { INSTANCE } from '../support/instance.js';
import { RecommendationController } from './recommendation.controller.js';

// Its tier selects how it is called: strategy, timeouts, retries, breaker and concurrency of the pattern `app`.
@DiscoverableService({
  name: 'recommendation-service',
  version: '3.1.0',
  tags: ['api'],
  tier: 'app',
  metadata: { instance: INSTANCE },
})
@Module({ imports: [ServiceDiscoveryModule.forRoot(), ChaosModule], controllers: [RecommendationController] })
export class RecommendationServiceModule {}
