import { Module } from '@nestjs/common';
import { ServiceDiscoveryModule } from 'nest-service-discovery';

/**
 * A standalone registry: it health-checks what registers here, and any number of processes, in any language, read it
 * over the REST API. Intervals, lease, thresholds and the token come from the `SERVICE_DISCOVERY_*` environment.
 */
@Module({ imports: [ServiceDiscoveryModule.forRoot({ mode: 'memory_only' })] })
export class RegistryModule {}
