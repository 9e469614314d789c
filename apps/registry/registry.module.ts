import { Module } from '@nestjs/common';
import { ServiceDiscoveryModule } from 'nest-service-discovery';
import { ServiceDiscoveryDashboardModule } from 'nest-service-discovery/dashboard';

/**
 * A standalone registry: it health-checks what registers here, and any number of processes, in any language, read it
 * over the REST API. Intervals, lease, thresholds and the token come from the `SERVICE_DISCOVERY_*` environment. The dashboard
 * is at `/service-discovery/ui`.
 */
@Module({ imports: [ServiceDiscoveryModule.forRoot({ mode: 'memory_only' }), ServiceDiscoveryDashboardModule] })
export class RegistryModule {}
