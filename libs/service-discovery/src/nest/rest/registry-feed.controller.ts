import {
  Controller,
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
import { type Clock, instanceNotFound } from '../../common/index.js';
import { changeWithin, type HealthStatus, type InstanceStatus, type WatchScope } from '../../model/index.js';
import { Fleet } from '../../observability/index.js';
import { ServiceRegistry } from '../../registry/index.js';
import { toChangeBody } from '../../store/index.js';
import { CLOCK } from '../tokens.js';
import { accessOf, ApiGuard, Needs, OwnedInstances, type RequestAccess, Restricted } from './access/index.js';
import { DEFAULT_API_OPTIONS } from './api-options.js';
import { type HeartbeatsDto, toLease } from './dto/lease.dto.js';
import { type ReportDto } from './dto/report.dto.js';
import { type HealthDto, toHealthDetail } from './dto/status.dto.js';
import { toScope, type WatchDto, type WatchQuery } from './dto/watch.query.js';
import { RestErrorFilter } from './error-filter.js';
import { EventStreams, frameOf } from './event-streams.js';
import { HealthBody, HeartbeatsBody, ReportBody, WatchBody, WatchParams } from './params.js';
import { Reply } from './reply.js';
import { HiddenFromSwagger } from './swagger.js';

/** The answer to a health report. */
export interface HealthReportView {
  readonly service_name: string;
  readonly instance_id: string;
  /** What readers see now. */
  readonly status: InstanceStatus;
  readonly health_status: HealthStatus;
}

/** The part of the REST API that `RemoteRegistryStore` of other processes lives on, beside registration. */
@Controller({ path: DEFAULT_API_OPTIONS.path, version: VERSION_NEUTRAL })
@UseGuards(ApiGuard)
@UseFilters(RestErrorFilter)
@HiddenFromSwagger()
export class ServiceDiscoveryFeedController {
  constructor(
    @Inject(ServiceRegistry) private readonly registry: ServiceRegistry,
    @Inject(EventStreams) private readonly streams: EventStreams,
    @Inject(Reply) private readonly reply: Reply,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(OwnedInstances) private readonly instances: OwnedInstances,
    @Inject(Fleet) private readonly fleet: Fleet,
  ) {}

  /**
   * An event stream of `change` events whose data is a {@link ChangeBody}: first a reset, then every change; with
   * `renewals=true` heartbeats, too. A comment comes every 10 s at least. What it shows is not masked.
   */
  @Get('watch')
  @Restricted()
  watch(@WatchParams() query: WatchQuery, @Req() request: { method: string }, @Res() response: unknown): Promise<void> {
    return this.streams.send('watches', request, response, ({ signal }) =>
      this.changes(toScope(query), accessOf(request), signal),
    );
  }

  /** {@link watch} for names that are too many for a URL: the same stream. */
  @Post('watch')
  @Needs('read')
  watchNamed(
    @WatchBody() scope: WatchDto,
    @Req() request: { method: string },
    @Res() response: unknown,
  ): Promise<void> {
    return this.streams.send('watches', request, response, ({ signal }) =>
      this.changes(scope, accessOf(request), signal),
    );
  }

  /** Renews many leases at once: `{ renewed: [true, …] }`, in the order of the leases; false where one is lost. */
  @Post('heartbeats')
  @Needs('register')
  async heartbeats(
    @HeartbeatsBody() { leases, by }: HeartbeatsDto,
    @Req() request: object,
    @Res() response: unknown,
  ): Promise<{ renewed: readonly boolean[] }> {
    const access = accessOf(request);
    const asked = leases.map(toLease);
    const own = await this.instances.areRenewable(access, asked);
    const renewable = asked.filter((_lease, index) => own[index]);
    if (renewable.length < asked.length) access.reportForeignLeases(asked.length - renewable.length);
    const held = (await this.registry.renewAll(renewable, by)).values();
    return this.reply.json(response, 200, { renewed: own.map((isOwn) => isOwn && held.next().value === true) });
  }

  /**
   * Takes up what a process says of its calls and of its part of the journal: 204. Only one that registered an instance of
   * the service may report for it, or one that may operate it.
   */
  @Post('reports')
  @Needs('register')
  async report(@ReportBody() report: ReportDto, @Req() request: object, @Res() response: unknown): Promise<void> {
    const access = accessOf(request);
    await access.assertMayReport(report.service_name, this.registry.getInstances(report.service_name));
    const isReadable = (name: string | null): boolean => name === null || access.mayRead(name);
    const steps = report.steps.map(({ step, calls, instances }) => ({
      step,
      calls: calls.filter((call) => isReadable(call.service_name)),
      instances: instances?.filter((instance) => isReadable(instance.service_name)),
    }));
    const entries = report.entries.filter((entry) => isReadable(entry.service_name));
    this.fleet.accept({ ...report, steps, entries });
    this.reply.empty(response, {});
  }

  /** Reports the result of an external health check: 200; 404 `INSTANCE_NOT_FOUND`. */
  @Put('services/:name/instances/:id/health')
  @Needs('register')
  async setHealth(
    @Param('name') serviceName: string,
    @Param('id') instanceId: string,
    @HealthBody() { status: found, detail }: HealthDto,
    @Req() request: object,
    @Res() response: unknown,
  ): Promise<HealthReportView> {
    const key = { serviceName, instanceId };
    const only = await this.instances.toChange(accessOf(request), key);
    const known = only && (await this.registry.setStatus(key, found, toHealthDetail(detail, this.clock.epoch())));
    const instance = known ? this.registry.getInstance(key) : undefined;
    if (!instance) throw instanceNotFound(serviceName, instanceId);
    return this.reply.json(response, 200, {
      service_name: serviceName,
      instance_id: instanceId,
      status: instance.status,
      health_status: instance.healthStatus,
    });
  }

  private async *changes(
    { services, renewals }: WatchScope,
    access: RequestAccess,
    signal: AbortSignal,
  ): AsyncGenerator<string, void, undefined> {
    const scope = { services: services?.filter((name) => access.mayRead(name)), renewals };
    for await (const change of this.registry.watch(scope, signal)) {
      const shown = access.readsEverything ? change : changeWithin(change, (name) => access.mayRead(name));
      if (shown) yield frameOf('change', toChangeBody(shown));
    }
  }
}
