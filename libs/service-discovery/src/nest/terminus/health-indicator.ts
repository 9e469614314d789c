import { type HealthCountsView, type RegistryHealthView } from '../../client/index.js';
import { Inject, Injectable } from '@nestjs/common';
import { type HealthIndicatorResult } from '@nestjs/terminus';
import { type AggregatedStatus, HealthAggregator, type HealthSelection } from '../../health/index.js';
import { ServiceRegistry } from '../../registry/index.js';
import { toHealthCountsView, toRegistryHealthView } from '../rest/index.js';
import { HealthIndicators } from './health-indicators.js';

/** Which services a check covers, by default all, and how their outage counts. */
export interface ServiceHealthOptions extends HealthSelection {
  /**
   * Result of the check when these services are `unhealthy`, see {@link AggregatedStatus}. `down` turns the whole
   * health check into 503: right for operators, wrong for restart decisions, where an outage of others would take this
   * process down, too.
   * @default 'degraded', which is still 200; 'up' in Terminus 11, which lacks that status
   */
  outage?: 'up' | 'degraded' | 'down';
}

/** Counts of services and how current they are, in snake_case like everything over HTTP. */
export interface ServiceHealthData extends HealthCountsView {
  /** Required or selected services that are not registered; absent if there are none. */
  readonly missing_services?: readonly string[];
  readonly registry: RegistryHealthView;
}

/**
 * The health of all or some services as a Terminus health indicator. Uses known state and makes no requests; throws
 * only for a selection with an unknown field.
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
    @Inject(HealthIndicators) private readonly indicators: Pick<HealthIndicators, 'check'>,
    @Inject(HealthAggregator) private readonly aggregator: HealthAggregator,
    @Inject(ServiceRegistry) private readonly registry: ServiceRegistry,
  ) {}

  /**
   * `up` when the services are `healthy` or `unknown`, `degraded` when they are `degraded`, and what
   * {@link ServiceHealthOptions.outage} says when they are `unhealthy`. With `outage: 'up'` it is always `up`.
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
    const degraded = severity === 'degraded' ? session.degraded?.({ ...data }) : undefined;
    return degraded ?? session.up({ ...data });
  }

  /**
   * The counts alone, as `GET /health` shows them under `service_discovery`.
   * @param selection which services @default all
   * @example return { ...(await this.health.check(checks)), service_discovery: this.services.summary() };
   */
  summary(selection: HealthSelection = {}): ServiceHealthData {
    const summary = this.aggregator.getSummary(selection);
    const { missingServices: missing } = summary;
    return {
      ...toHealthCountsView(summary),
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
