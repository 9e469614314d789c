import { Module } from '@nestjs/common';
import { DiscoverableService, ServiceDiscoveryModule } from 'nest-service-discovery';
import { ChaosModule } from '../support/chaos.js';
import { INSTANCE } from '../support/instance.js';
import { UserController } from './user.controller.js';

@DiscoverableService({
  name: 'user-service',
  version: process.env.INSTANCE_VERSION ?? '1.2.0',
  tags: ['api', 'user'],
  metadata: { instance: INSTANCE },
})
@Module({ imports: [ServiceDiscoveryModule.forRoot(), ChaosModule], controllers: [UserController] })
export class UserServiceModule {}
