import { Inject, Injectable, Logger } from '@nestjs/common';
import { type Clock } from '../common/index.js';
import { HealthMonitor } from '../health/index.js';
import { type LeaseKind, type ServiceInstance, type ServiceRegistration, toInstance } from '../model/index.js';
import { SERVICE_REGISTRY_OPTIONS } from '../registry/index.js';
import { LOG_CONTEXT } from './logging.js';
import { type ResolvedServiceDiscoveryOptions } from './options/index.js';
import { CLOCK, OPTIONS_IN_FORCE } from './tokens.js';

/** Minimum number of checks within a lease, so that a late or missed one does no harm. */
const CHECKS_PER_LEASE = 2;
/** How often the warning about infrequent checks is repeated. */
const REMINDER_MS = 60_000;

type ChoiceOptions = Pick<ResolvedServiceDiscoveryOptions, 'mode' | 'logging' | 'registry'>;

/** Chooses what renews the lease of an instance registered over REST or by `registerService`. */
@Injectable()
export class LeaseChoice {
  private readonly logger = new Logger(LOG_CONTEXT);
  private readonly ttlMs: number;
  private remindAt = Number.NEGATIVE_INFINITY;

  constructor(
    @Inject(HealthMonitor) private readonly monitor: HealthMonitor | null,
    @Inject(OPTIONS_IN_FORCE) private readonly options: ChoiceOptions,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {
    this.ttlMs = SERVICE_REGISTRY_OPTIONS.resolve(options.registry).serviceTtl;
  }

  /**
   * @param asked absent: heartbeats if the registration has a `ttl`, else checks
   * @returns also heartbeats if this process makes no checks, or too few; in the mode `remote`, the registry process
   * decides
   * @throws InvalidInstanceError naming every wrong field
   */
  choose(registration: ServiceRegistration, asked?: LeaseKind): LeaseKind {
    const instance = toInstance(registration, { ttlMs: this.ttlMs, now: 0 });
    const kind = asked ?? (registration.ttl === undefined ? 'checks' : 'heartbeat');
    if (kind === 'heartbeat' || this.options.mode === 'remote') return kind;
    if (!this.monitor) return 'heartbeat';
    const intervalMs = this.monitor.longestIntervalMs(instance);
    if (CHECKS_PER_LEASE * intervalMs <= instance.ttlMs) return 'checks';
    this.warn(instance, intervalMs);
    return 'heartbeat';
  }

  private warn({ serviceName, instanceId, ttlMs }: ServiceInstance, intervalMs: number): void {
    if (this.options.logging === false || this.clock.now() < this.remindAt) return;
    this.remindAt = this.clock.now() + REMINDER_MS;
    this.logger.warn(
      `${serviceName} ${instanceId} has to send heartbeats: its health checks come every ${intervalMs / 1_000} s, too seldom ` +
        `to keep a lease of ${ttlMs / 1_000} s. For checks to keep it, set serviceTtl to twice the interval or more, or ` +
        'shorten healthCheck.interval (health_check.interval of the registration)',
    );
  }
}
