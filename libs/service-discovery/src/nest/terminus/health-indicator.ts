import { Inject, Injectable } from '@nestjs/common';
import { type HealthIndicatorResult, HealthIndicatorService } from '@nestjs/terminus';
import { type AggregatedStatus, HealthAggregator, type HealthSelection } from '../../health/index.js';
import { ServiceRegistry } from '../../registry/index.js';
import { type RegistryHealthView, toRegistryHealthView } from '../rest/index.js';

/** Which services a check is about, all unless some are named, and what their outage makes of it. */
export interface ServiceHealthOptions extends HealthSelection {
  /**
   * What an outage of other services makes of this check. `down` turns the whole health check into 503: right for one
   * that an operator looks at, wrong for one that decides over restarts, or the outage takes this process down too.
   * @default 'degraded', which is still 200; in Terminus 11, which does not have it, 'up'
   */
  outage?: 'up' | 'degraded' | 'down';
}

/** The services in four words and how current they are, in snake_case as all that goes over HTTP. */
export interface ServiceHealthData {
  readonly overall_status: AggregatedStatus;
  readonly total_services: number;
  readonly healthy_services: number;
  readonly unhealthy_services: number;
  /** Services that the check names and that are not registered; left out where there is none. */
  readonly missing_services?: readonly string[];
  readonly registry: RegistryHealthView;
}

/**
 * The health of all services, or of some, as a Terminus health indicator. Reads what is known already: it asks nobody, and throws for
 * nothing but a selection with a name that is none.
 *
 * @example
 * this.healthCheckService.check([
 *   () => this.services.isHealthy('services'),
 *   () => this.services.isHealthy('payments', { service: 'payment-service', outage: 'down' }),
 *   () => this.services.isHealthy('storage', { tier: 'data' }),
 * ]);
 */
@Injectable()
export class ServiceDiscoveryHealthIndicator {
  constructor(
    @Inject(HealthIndicatorService) private readonly indicators: HealthIndicatorService,
    @Inject(HealthAggregator) private readonly aggregator: HealthAggregator,
    @Inject(ServiceRegistry) private readonly registry: ServiceRegistry,
  ) {}

  /**
   * `up` when the services are healthy or none was checked yet; `degraded` when one has lost some of its instances; else
   * what {@link ServiceHealthOptions.outage} says.
   * @param key what the result stands under
   */
  isHealthy<const Key extends string = 'service_discovery'>(
    key: Key = 'service_discovery' as Key,
    { outage = 'degraded', ...selection }: ServiceHealthOptions = {},
  ): HealthIndicatorResult<Key> {
    this.follow(selection.service);
    const data = this.summary(selection);
    const session = this.indicators.check(key);
    const severity = severityOf(data.overall_status, outage);
    if (severity === 'down') return session.down({ ...data });
    return severity === 'degraded' && hasDegraded(session) ? session.degraded({ ...data }) : session.up({ ...data });
  }

  /** The counts by themselves. @param selection which services @default all */
  summary(selection: HealthSelection = {}): ServiceHealthData {
    const summary = this.aggregator.getSummary(selection);
    const { missingServices: missing } = summary;
    return {
      overall_status: summary.overallStatus,
      total_services: summary.totalServices,
      healthy_services: summary.healthyServices,
      unhealthy_services: summary.unhealthyServices,
      ...(missing.length > 0 ? { missing_services: missing } : {}),
      registry: toRegistryHealthView(summary.registry),
    };
  }

  /** A process that reads those services alone which it uses, uses what it names here: it is known by the next check. */
  private follow(names: HealthSelection['service'] = []): void {
    for (const name of [names].flat()) {
      if (!this.registry.follows(name)) void this.registry.follow(name).catch(() => undefined);
    }
  }
}

function severityOf(
  status: AggregatedStatus,
  outage: NonNullable<ServiceHealthOptions['outage']>,
): NonNullable<ServiceHealthOptions['outage']> {
  if (status === 'healthy' || status === 'unknown') return 'up';
  return status === 'degraded' && outage === 'down' ? 'degraded' : outage;
}

/** Terminus has it from 12 on. */
function hasDegraded(session: object): boolean {
  return typeof Reflect.get(session, 'degraded') === 'function';
}
