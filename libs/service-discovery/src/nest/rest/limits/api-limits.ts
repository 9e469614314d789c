import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { type Clock } from '../../../common/index.js';
import { type ApiLimit, findInstance, type InstanceKey, keyOf } from '../../../model/index.js';
import { EventBus } from '../../../observability/index.js';
import { ServiceRegistry } from '../../../registry/index.js';
import { RateLimiter } from '../../../resilience/index.js';
import { CLOCK } from '../../tokens.js';
import { callerOf } from '../access/index.js';
import { API_OPTIONS, type ApiOptions } from '../api-options.js';
import { LimitReachedError } from '../rest-error.js';
import { API_LIMIT_OPTIONS, type ResolvedApiLimitOptions } from './limit-options.js';

/** When a client may ask again after a quota was reached: an instance has to leave first. */
const QUOTA_RETRY_MS = 30_000;

type Quota = Exclude<ApiLimit, 'event_readers' | 'watches'>;

const QUOTAS: Readonly<Record<Quota, { readonly option: keyof ResolvedApiLimitOptions; readonly text: string }>> = {
  services: { option: 'services', text: 'The registry has as many services as it may' },
  instances_per_service: { option: 'instancesPerService', text: 'The service has as many instances as it may' },
  instances_per_caller: {
    option: 'instancesPerCaller',
    text: 'This caller has registered as many instances as it may',
  },
  registrations_per_minute: {
    option: 'registrationsPerMinute',
    text: 'This caller has sent as many registrations within a minute as it may',
  },
};

/** Bounds what callers add to the registry, and the pages of answers: see {@link API_LIMIT_OPTIONS}. */
@Injectable()
export class ApiLimits {
  private readonly limits: ResolvedApiLimitOptions;
  private readonly rates: CallerRates;
  private readonly instances: CallerInstances;
  /** New instances whose registration is under way, by service. */
  private readonly underWay = new Map<string, Set<string>>();

  constructor(
    @Inject(API_OPTIONS) api: ApiOptions,
    @Inject(ServiceRegistry) private readonly registry: ServiceRegistry,
    @Inject(CLOCK) clock: Clock,
    @Inject(EventBus) private readonly events: EventBus,
  ) {
    this.limits = API_LIMIT_OPTIONS.resolve(api.limits);
    this.rates = new CallerRates(this.limits.registrationsPerMinute, clock);
    this.instances = new CallerInstances(registry);
  }

  /** How many instances a page of a list shows at most. */
  get pageSize(): number {
    return this.limits.pageSize;
  }

  /** Counts a registration that a request is for. @throws LimitReachedError */
  count(request: object): void {
    const waitMs = this.rates.take(callerIdOf(request));
    if (waitMs > 0) this.refuse('registrations_per_minute', request, waitMs);
  }

  /**
   * Registers an instance if it is there already, or there is room for it.
   * @throws LimitReachedError; what `register` throws
   */
  async admit<T>(request: object, key: InstanceKey, register: () => Promise<T>): Promise<T> {
    const { serviceName, instanceId } = key;
    const others = this.underWay.get(serviceName) ?? new Set<string>();
    if (others.has(instanceId) || this.registry.getInstance(key)) return register();
    this.assertRoom(request, serviceName);
    this.underWay.set(serviceName, others.add(instanceId));
    this.instances.add(callerIdOf(request), key);
    try {
      return await register();
    } catch (error) {
      this.instances.remove(key);
      throw error;
    } finally {
      others.delete(instanceId);
      if (others.size === 0) this.underWay.delete(serviceName);
    }
  }

  private assertRoom(request: object, serviceName: string): void {
    const { services } = this.registry.snapshot;
    const coming = [...this.underWay.keys()].filter((name) => !services.has(name));
    const isNew = !services.has(serviceName) && !coming.includes(serviceName);
    if (isNew && services.size + coming.length >= this.limits.services) this.refuse('services', request);
    const instances = this.registry.getInstances(serviceName).length + (this.underWay.get(serviceName)?.size ?? 0);
    if (instances >= this.limits.instancesPerService) this.refuse('instances_per_service', request);
    if (this.instances.countOf(callerIdOf(request)) >= this.limits.instancesPerCaller)
      this.refuse('instances_per_caller', request);
  }

  private refuse(limit: Quota, request: object, retryAfterMs = QUOTA_RETRY_MS): never {
    const { option: name, text } = QUOTAS[limit];
    const [max, option] = [this.limits[name], `api.limits.${name}`];
    this.events.emit('api.limit_reached', { limit, max, option, caller: callerIdOf(request) });
    throw new LimitReachedError(`${text}: ${max} (${option})`, retryAfterMs);
  }
}

/** Counts registrations before their bodies are read. */
@Injectable()
export class RegistrationRateGuard implements CanActivate {
  constructor(@Inject(ApiLimits) private readonly limits: ApiLimits) {}

  canActivate(context: ExecutionContext): true {
    this.limits.count(context.switchToHttp().getRequest<object>());
    return true;
  }
}

/** A guard of the app, on a class that extends a controller, may let in a request that has no caller. */
function callerIdOf(request: object): string {
  return callerOf(request)?.id ?? 'unknown';
}

/** How many instances each caller has registered over this process, as long as they are there. */
class CallerInstances {
  private readonly registered = new Map<string, { readonly key: InstanceKey; readonly caller: string }>();
  private readonly counts = new Map<string, number>();

  constructor(registry: Pick<ServiceRegistry, 'onChange'>) {
    registry.onChange((snapshot, _previous, change) => {
      if (change?.type === 'remove') this.remove(change.key);
      if (change?.type !== 'reset') return;
      for (const { key } of this.registered.values()) if (!findInstance(snapshot, key)) this.remove(key);
    });
  }

  countOf(caller: string): number {
    return this.counts.get(caller) ?? 0;
  }

  add(caller: string, key: InstanceKey): void {
    this.remove(key);
    this.registered.set(keyOf(key), { key, caller });
    this.counts.set(caller, this.countOf(caller) + 1);
  }

  remove(key: InstanceKey): void {
    const caller = this.registered.get(keyOf(key))?.caller;
    if (caller === undefined) return;
    this.registered.delete(keyOf(key));
    const count = this.countOf(caller) - 1;
    if (count > 0) this.counts.set(caller, count);
    else this.counts.delete(caller);
  }
}

/** How many callers have a token bucket at once; beyond that, the first one begins with a full bucket again. */
const MOST_CALLERS = 10_000;

/** A token bucket for each caller. */
class CallerRates {
  private readonly limiters = new Map<string, RateLimiter>();

  constructor(
    private readonly perMinute: number,
    private readonly clock: Clock,
  ) {}

  /** Takes a token of a caller. @returns 0, or in how many milliseconds there is one */
  take(caller: string): number {
    const limiter = this.limiters.get(caller) ?? this.create(caller);
    return limiter.tryAcquire() ? 0 : Math.ceil(limiter.snapshot().waitMs);
  }

  private create(caller: string): RateLimiter {
    const [first] = this.limiters.keys();
    if (first !== undefined && this.limiters.size >= MOST_CALLERS) this.limiters.delete(first);
    const limiter = new RateLimiter({ rate: this.perMinute, per: '1m' }, { clock: this.clock });
    this.limiters.set(caller, limiter);
    return limiter;
  }
}
