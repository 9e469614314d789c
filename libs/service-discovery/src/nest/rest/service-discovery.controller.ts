import {
  Controller,
  Delete,
  Get,
  Inject,
  Param,
  Post,
  Put,
  Req,
  Res,
  UseFilters,
  UseGuards,
  VERSION_NEUTRAL,
} from '@nestjs/common';
import { isStrategyName, LoadBalancingStrategy, type StrategyName } from '../../balancing/index.js';
import {
  type AggregatedHealthView,
  type HeartbeatView,
  type HistoryView,
  type RegisteredView,
  type ServiceListView,
  type ServiceView,
  type StatusView,
} from '../../client/index.js';
import { instanceNotFound, LeaseLostError } from '../../common/index.js';
import { HealthAggregator, type HealthSelection } from '../../health/index.js';
import { baseUrlOf, type InstanceKey, type ServiceInstance, toInstance } from '../../model/index.js';
import { EventBus } from '../../observability/index.js';
import { ServiceRegistry, SHUTDOWN_REASON } from '../../registry/index.js';
import { type InstanceBody, REMOVED_HEADER } from '../../store/index.js';
import { LeaseChoice } from '../lease-choice.js';
import { type ResolvedServiceDiscoveryOptions } from '../options/options.js';
import { ServiceDiscovery } from '../service-discovery.js';
import { OPTIONS_IN_FORCE } from '../tokens.js';
import { accessOf, ApiGuard, Needs, OwnedInstances, readableServices } from './access/index.js';
import { DEFAULT_API_OPTIONS } from './api-options.js';
import { type DiscoverQuery, toCriteria } from './dto/criteria.query.js';
import { type DeregisterQuery, type HeartbeatDto } from './dto/lease.dto.js';
import { type HealthQuery, type ListQuery, toPage, toSelection } from './dto/list.query.js';
import { type RegisterServiceDto, toRegistration } from './dto/register-service.dto.js';
import { type StatusDto } from './dto/status.dto.js';
import { RestErrorFilter } from './error-filter.js';
import { ApiLimits, RegistrationRateGuard } from './limits/index.js';
import {
  DeregisterParams,
  DiscoverParams,
  HealthParams,
  HeartbeatBody,
  ListParams,
  RegistrationBody,
  StatusBody,
} from './params.js';
import { type Page, pageOf } from './paging.js';
import { Reply } from './reply.js';
import { RequestedService } from './requested-service.js';
import { HiddenFromSwagger } from './swagger.js';
import { ageHeader, InvalidRequestError } from './rest-error.js';
import {
  findListed,
  healthWithoutData,
  instanceWithoutData,
  listWithoutData,
  type ListRules,
  readableHealth,
  serviceWithoutData,
  toAggregatedHealthView,
  toHistoryView,
  toInstanceView,
  toServiceListView,
  toServiceView,
} from './views/index.js';

/**
 * The REST API: registration, discovery, lists, aggregated health. JSON in snake_case, times in ISO 8601, lengths of
 * time in seconds. Every error has the body `{ error: { code, message, problems } }`, see {@link ErrorBody}. While the
 * registry behind this process is away, answers have an `Age` header: the whole seconds since what they say was true.
 */
@Controller({ path: DEFAULT_API_OPTIONS.path, version: VERSION_NEUTRAL })
@UseGuards(ApiGuard)
@UseFilters(RestErrorFilter)
@HiddenFromSwagger()
export class ServiceDiscoveryController {
  constructor(
    @Inject(ServiceRegistry) private readonly registry: ServiceRegistry,
    @Inject(ServiceDiscovery) private readonly discovery: ServiceDiscovery,
    @Inject(HealthAggregator) private readonly aggregator: HealthAggregator,
    @Inject(OPTIONS_IN_FORCE)
    private readonly options: Pick<ResolvedServiceDiscoveryOptions, 'strategies' | 'registry'>,
    @Inject(Reply) private readonly reply: Reply,
    @Inject(LeaseChoice) private readonly leases: LeaseChoice,
    @Inject(ApiLimits) private readonly limits: ApiLimits,
    @Inject(OwnedInstances) private readonly instances: OwnedInstances,
    @Inject(EventBus) private readonly events: EventBus,
    @Inject(RequestedService) private readonly requested: RequestedService,
  ) {}

  /**
   * 201; 200 where an instance of this id was there before, which is replaced and gets a new generation. Health checks that pass
   * renew it until its first heartbeat comes; where it has a `ttl`, only heartbeats do. With a `claim`, 404 `LEASE_LOST` where the id
   * was registered later than that; 429 `LIMIT_REACHED` where a limit of `api.limits` is reached.
   */
  @Post('register')
  @UseGuards(RegistrationRateGuard)
  @Needs('register')
  async register(
    @RegistrationBody() body: RegisterServiceDto,
    @Req() request: object,
    @Res() response: unknown,
  ): Promise<RegisteredView> {
    const registration = toRegistration(body);
    const access = accessOf(request);
    const asked = toInstance(registration, { ttlMs: 0, now: 0 });
    await access.assertMayRegister(asked, await this.instances.toReplace(access, asked));
    const { instance, lease, replaced } = await this.limits.admit(request, asked, () =>
      this.registry.register(registration, {
        // A client that registers over HTTP sends the heartbeats, if there are to be any.
        heartbeat: 'manual',
        claim: body.claim,
        lease: this.leases.choose(registration, body.lease),
        owner: access.caller?.id,
        mayReplace: (current) => access.assertMayReplace(current),
      }),
    );
    return this.answer(response, replaced ? 200 : 201, {
      service_name: lease.serviceName,
      instance_id: lease.instanceId,
      generation: lease.generation,
      base_url: baseUrlOf(instance),
      status: instance.status,
      ttl: lease.ttlMs / 1_000,
      lease: instance.lease,
    });
  }

  /**
   * 200; 404 `LEASE_LOST` where the registration is over, or another generation holds the id: register again. From the first
   * one on the registration lives by heartbeats.
   */
  @Put('services/:name/instances/:id/heartbeat')
  @Needs('register')
  async heartbeat(
    @Param('name') serviceName: string,
    @Param('id') instanceId: string,
    @HeartbeatBody() { generation }: HeartbeatDto,
    @Req() request: object,
    @Res() response: unknown,
  ): Promise<HeartbeatView> {
    const key = { serviceName, instanceId };
    const only = await this.instances.toChange(accessOf(request), key, generation);
    const held = only && (await this.registry.heartbeat(key, only));
    const instance = held ? this.registry.getInstance(key) : undefined;
    if (!instance) throw new LeaseLostError(serviceName, instanceId);
    return this.answer(response, 200, {
      ...toKeyView(key),
      generation: instance.generation,
      status: instance.status,
      ttl: instance.ttlMs / 1_000,
      lease: instance.lease,
    });
  }

  /** 204, whether it was there or not. */
  @Delete('services/:name/instances/:id')
  @Needs('register')
  async deregister(
    @Param('name') serviceName: string,
    @Param('id') instanceId: string,
    @DeregisterParams() { generation }: DeregisterQuery,
    @Req() request: object,
    @Res() response: unknown,
  ): Promise<void> {
    const key = { serviceName, instanceId };
    const asked = generation === undefined ? undefined : Number(generation);
    const only = await this.instances.toChange(accessOf(request), key, asked);
    const removed = only !== undefined && (await this.registry.deregister(key, only));
    this.reply.empty(response, { ...ageHeader(this.registry), [REMOVED_HEADER]: String(removed) });
  }

  /** Sets an operator status, optionally with a reason and author: 200; 404 `INSTANCE_NOT_FOUND`. */
  @Put('services/:name/instances/:id/status')
  @Needs('register')
  async setStatus(
    @Param('name') serviceName: string,
    @Param('id') instanceId: string,
    @StatusBody() { status: operatorStatus, reason, by }: StatusDto,
    @Req() request: object,
    @Res() response: unknown,
  ): Promise<StatusView> {
    const key = { serviceName, instanceId };
    const access = accessOf(request);
    const only = await this.instances.toChange(access, key);
    const found = only && (await this.registry.setStatus(key, operatorStatus, { reason, by }));
    const instance = found ? this.registry.getInstance(key) : undefined;
    if (!instance) throw instanceNotFound(serviceName, instanceId);
    const isShutdown = operatorStatus === 'draining' && reason === SHUTDOWN_REASON && access.owns(instance);
    if (!isShutdown) {
      const what = { service: serviceName, instanceId, action: 'set_status', to: operatorStatus } as const;
      this.events.emit('operator.acted', { ...what, by: access.actor(by), reason });
    }
    return this.answer(response, 200, {
      ...toKeyView(key),
      status: instance.status,
      operator_status: instance.operatorStatus,
    });
  }

  /**
   * One instance that may be called, chosen by the strategy; 404 `SERVICE_NOT_FOUND`, 503 `NO_AVAILABLE_INSTANCE`, and
   * 503 `REGISTRY_UNAVAILABLE` while nothing is known yet, or only what is older than `maxSnapshotAge`.
   */
  @Get('discover/:name')
  async discover(
    @Param('name') name: string,
    @DiscoverParams() query: DiscoverQuery,
    @Req() request: object,
    @Res() response: unknown,
  ): Promise<InstanceBody> {
    const { strategy, key, client_ip: clientIp } = query;
    this.mustBeStrategy(strategy);
    // A name that is only asked about is not followed from then on: each costs the store a subscription.
    this.requested.mustExist(name, request);
    const endpoint = await this.discovery.discoverService(name, { ...toCriteria(query), strategy, key, clientIp });
    if (!endpoint) throw this.requested.notFound(name, request);
    // With its newest heartbeat, which look-ups do not follow.
    const instance = this.registry.getInstance(endpoint.instance) ?? endpoint.instance;
    const view = toInstanceView(instance);
    return this.answer(response, 200, isStranger(request) ? instanceWithoutData(view) : view);
  }

  @Get('services')
  listServices(@ListParams() query: ListQuery, @Req() request: object, @Res() response: unknown): ServiceListView {
    return this.list(request, response, query);
  }

  /** Services that have a healthy instance, with these instances. */
  @Get('services/healthy')
  listHealthy(@ListParams() query: ListQuery, @Req() request: object, @Res() response: unknown): ServiceListView {
    return this.list(request, response, query, ({ status }) => status === 'healthy');
  }

  /** Services that have an instance with the tag, with these instances. */
  @Get('services/by-tag/:tag')
  listByTag(
    @Param('tag') tag: string,
    @ListParams() query: ListQuery,
    @Req() request: object,
    @Res() response: unknown,
  ): ServiceListView {
    return this.list(request, response, query, ({ tags }) => tags.includes(tag));
  }

  /** One service with its instances, page by page; 404 `SERVICE_NOT_FOUND`. */
  @Get('services/:name')
  getService(
    @Param('name') name: string,
    @ListParams() query: ListQuery,
    @Req() request: object,
    @Res() response: unknown,
  ): ServiceView {
    const instances = this.registry.servedServices().get(name);
    if (!instances) throw this.requested.notFound(name, request);
    const health = this.aggregator.getAggregatedHealth({ service: name });
    const service = { name, instances, listed: instances };
    const view = toServiceView(service, health, this.listRules(toPage(query, this.limits.pageSize)));
    return this.answer(response, 200, isStranger(request) ? serviceWithoutData(view) : view);
  }

  /**
   * The latest status changes of an instance that this process observed; 404 `INSTANCE_NOT_FOUND` if it is neither
   * registered nor has a history.
   */
  @Get('services/:name/instances/:id/history')
  async getHistory(
    @Param('name') serviceName: string,
    @Param('id') instanceId: string,
    @Res() response: unknown,
  ): Promise<HistoryView> {
    const key = { serviceName, instanceId };
    const transitions = this.aggregator.history(key);
    if (transitions.length === 0 && !this.registry.getInstance(key)) {
      throw instanceNotFound(serviceName, instanceId);
    }
    return this.answer(response, 200, toHistoryView(key, transitions));
  }

  /** All services, or those that the query selects. */
  @Get('health/aggregated')
  aggregatedHealth(
    @HealthParams() query: HealthQuery,
    @Req() request: object,
    @Res() response: unknown,
  ): AggregatedHealthView {
    const access = accessOf(request);
    const all = this.aggregator.getAggregatedHealth(this.readable(request, toSelection(query)));
    const health = access.readsEverything ? all : readableHealth(all, (name) => access.mayRead(name));
    const view = toAggregatedHealthView(health, toPage(query, this.limits.pageSize));
    return this.answer(response, 200, isStranger(request) ? healthWithoutData(view) : view);
  }

  private mustBeStrategy(strategy: string | undefined): asserts strategy is StrategyName | undefined {
    const { strategies = {} } = this.options;
    if (strategy === undefined || isStrategyName(strategy, strategies)) return;
    const names = new Set([...Object.values(LoadBalancingStrategy), ...Object.keys(strategies)]);
    const problem = { path: 'strategy', value: strategy, expected: `one of ${[...names].join(', ')}` };
    throw new InvalidRequestError([problem]);
  }

  private listRules(page: Page): ListRules {
    return { page, tracksRenewals: this.options.registry.trackHeartbeats !== false };
  }

  /** Of the services that a query selects, those that the caller may read. */
  private readable(request: object, selection: HealthSelection): HealthSelection {
    const access = accessOf(request);
    if (access.readsEverything) return selection;
    const names =
      selection.service === undefined ? [...this.registry.snapshot.services.keys()] : [selection.service].flat();
    return { ...selection, service: names.filter((name) => access.mayRead(name)) };
  }

  private answer<T extends object>(response: unknown, status: number, body: T): T {
    return this.reply.json(response, status, body, ageHeader(this.registry));
  }

  private list(
    request: object,
    response: unknown,
    query: ListQuery,
    wanted?: (instance: ServiceInstance) => boolean,
  ): ServiceListView {
    const page = toPage(query, this.limits.pageSize);
    const found = findListed(readableServices(this.registry, request), wanted);
    const shown = pageOf(
      found,
      page,
      ({ name }) => name,
      ({ listed }) => listed.length,
    );
    const health = this.aggregator.getAggregatedHealth({ service: shown.items.map(({ name }) => name) });
    // The page's `after` is a service, not one of its instances.
    const rules = this.listRules({ limit: page.limit });
    const view = toServiceListView(shown, found.length, health, rules);
    return this.answer(response, 200, isStranger(request) ? listWithoutData(view) : view);
  }
}

/** Whether health data is kept from the sender of a request. */
function isStranger(request: object): boolean {
  return accessOf(request).isStranger;
}

function toKeyView({ serviceName, instanceId }: InstanceKey): { service_name: string; instance_id: string } {
  return { service_name: serviceName, instance_id: instanceId };
}
