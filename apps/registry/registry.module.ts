import { Module } from '@nestjs/common';
import { ServiceDiscoveryModule } from 'nest-service-discovery';

/**
 * A registry of its own: what registers here is health-checked here, and read by any number of processes, in any
 * language, over the REST API. Intervals, lease, thresholds and the token come from the `SERVICE_DISCOVERY_*` environment.
 */
@Module({ imports: [ServiceDiscoveryModule.forRoot({ mode: 'memory_only' })] })
export class RegistryModule {}
