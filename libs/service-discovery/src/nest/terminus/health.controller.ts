import { Controller, Get, Inject, ServiceUnavailableException, VERSION_NEUTRAL } from '@nestjs/common';
import { type HealthCheckResult } from '@nestjs/terminus';
import { DEFAULT_API_OPTIONS, HiddenFromSwagger } from '../rest/index.js';
import { HealthChecks } from './health-checks.js';
import { type ServiceHealthData, ServiceDiscoveryHealthIndicator } from './health-indicator.js';
import { NotCached } from './health-result.js';

/** An answer in Terminus's form with a status in the words of the API, and the services beside it. */
export interface HealthAnswer extends Omit<HealthCheckResult, 'status'> {
  /**
   * Of this process: `healthy`; `degraded` while other services are `degraded` or `unhealthy`; `unhealthy`, with a 503, while
   * it shuts down.
   */
  readonly status: 'healthy' | 'degraded' | 'unhealthy';
  readonly service_discovery: ServiceHealthData;
}

/**
 * `GET /health`: whether this process is well. Outages of other services show in the answer and leave its status 200;
 * while the process shuts down it is 503. Open to everybody, as probes bring no credentials: it names no service.
 */
@Controller({ path: DEFAULT_API_OPTIONS.healthPath || [], version: VERSION_NEUTRAL })
@HiddenFromSwagger()
export class ServiceDiscoveryHealthController {
  constructor(
    @Inject(HealthChecks) private readonly health: HealthChecks,
    @Inject(ServiceDiscoveryHealthIndicator) private readonly indicator: ServiceDiscoveryHealthIndicator,
  ) {}

  @Get()
  @NotCached()
  async check(): Promise<HealthAnswer> {
    const services = this.indicator.summary();
    const isWell = services.overall_status === 'healthy' || services.overall_status === 'unknown';
    try {
      const result = await this.health.check(() => this.indicator.isHealthy());
      return { ...result, status: isWell ? 'healthy' : 'degraded', service_discovery: services };
    } catch (error) {
      if (!(error instanceof ServiceUnavailableException)) throw error;
      const result = error.getResponse() as HealthCheckResult;
      const answer: HealthAnswer = { ...result, status: 'unhealthy', service_discovery: services };
      throw new ServiceUnavailableException(answer);
    }
  }
}
