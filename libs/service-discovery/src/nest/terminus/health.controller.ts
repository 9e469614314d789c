import { Controller, Get, Inject, VERSION_NEUTRAL } from '@nestjs/common';
import { HealthCheck, type HealthCheckResult, HealthCheckService } from '@nestjs/terminus';
import { DEFAULT_API_OPTIONS } from '../rest/index.js';
import { type ServiceHealthData, ServiceDiscoveryHealthIndicator } from './health-indicator.js';

/** Terminus's own answer, and the services beside it. */
export interface HealthAnswer extends HealthCheckResult {
  readonly service_discovery: ServiceHealthData;
}

/**
 * `GET /health`: whether this process is well. Outages of other services show in the answer and leave its status 200;
 * while the process shuts down it is 503. Open to everybody, as probes bring no credentials: it names no service.
 */
@Controller({ path: DEFAULT_API_OPTIONS.healthPath || [], version: VERSION_NEUTRAL })
export class ServiceDiscoveryHealthController {
  constructor(
    @Inject(HealthCheckService) private readonly health: HealthCheckService,
    @Inject(ServiceDiscoveryHealthIndicator) private readonly indicator: ServiceDiscoveryHealthIndicator,
  ) {}

  @Get()
  @HealthCheck()
  async check(): Promise<HealthAnswer> {
    const result = await this.health.check([() => this.indicator.isHealthy()]);
    return { ...result, service_discovery: this.indicator.summary() };
  }
}
