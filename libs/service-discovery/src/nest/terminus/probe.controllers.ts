import { Controller, Get, Inject, ServiceUnavailableException, VERSION_NEUTRAL } from '@nestjs/common';
import { type HealthCheckResult } from '@nestjs/terminus';
import { ServiceReadiness } from '../readiness/index.js';
import { DEFAULT_API_OPTIONS, HiddenFromSwagger } from '../rest/index.js';
import { NotCached, toHealthResult } from './health-result.js';

/** What the path of the health check stands before. */
export const LIVENESS_PATH = 'live';
export const READINESS_PATH = 'ready';

/**
 * `GET /health/live`: whether this process answers at all, and so whether to restart it. Nothing else counts: neither other
 * services and the registry, which a restart does not bring back, nor that it starts or shuts down.
 */
@Controller({ path: `${DEFAULT_API_OPTIONS.healthPath}/${LIVENESS_PATH}`, version: VERSION_NEUTRAL })
@HiddenFromSwagger()
export class ServiceDiscoveryLivenessController {
  @Get()
  @NotCached()
  check(): HealthCheckResult {
    return toHealthResult('ok', {});
  }
}

/**
 * `GET /health/ready`: whether this process may get traffic. 503, with the reasons, while it is held or a check of
 * {@link ServiceReadiness} says no, and from the beginning of the shutdown, when it still answers everybody. Other services
 * do not count: all would leave at once for the outage of one.
 */
@Controller({ path: `${DEFAULT_API_OPTIONS.healthPath}/${READINESS_PATH}`, version: VERSION_NEUTRAL })
@HiddenFromSwagger()
export class ServiceDiscoveryReadinessController {
  constructor(@Inject(ServiceReadiness) private readonly readiness: ServiceReadiness) {}

  @Get()
  @NotCached()
  async check(): Promise<HealthCheckResult> {
    const results = await this.readiness.check();
    const isReady = Object.values(results).every(({ status }) => status !== 'down');
    // Without Terminus's service, which logs an error at each probe of a process that is still starting.
    if (isReady) return toHealthResult('ok', results);
    throw new ServiceUnavailableException(toHealthResult(this.readiness.isClosed ? 'shutting_down' : 'error', results));
  }
}
