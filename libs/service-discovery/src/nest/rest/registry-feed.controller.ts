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
import { type Clock } from '../../common/index.js';
import { type HealthStatus, type InstanceStatus, type WatchScope } from '../../model/index.js';
import { ServiceRegistry } from '../../registry/index.js';
import { toChangeBody } from '../../store/index.js';
import { CLOCK } from '../tokens.js';
import { ApiGuard, Restricted } from './access/index.js';
import { DEFAULT_API_OPTIONS } from './api-options.js';
import { type HeartbeatsDto, toLease } from './dto/lease.dto.js';
import { type HealthDto, toHealthDetail } from './dto/status.dto.js';
import { toScope, type WatchDto, type WatchQuery } from './dto/watch.query.js';
import { RestErrorFilter } from './error-filter.js';
import { EventStreams, frameOf } from './event-streams.js';
import { HealthBody, HeartbeatsBody, WatchBody, WatchParams } from './params.js';
import { Reply } from './reply.js';
import { HiddenFromSwagger } from './swagger.js';
import { InstanceNotFoundError } from './rest-error.js';

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
  ) {}

  /**
   * An event stream of `change` events whose data is a {@link ChangeBody}: first a reset, then every change; with
   * `renewals=true` heartbeats, too. A comment comes every 10 s at least. What it shows is not masked.
   */
  @Get('watch')
  @Restricted()
  watch(@WatchParams() query: WatchQuery, @Req() request: { method: string }, @Res() response: unknown): Promise<void> {
    return this.streams.send('watches', request, response, ({ signal }) => this.changes(toScope(query), signal));
  }

  /** {@link watch} for names that are too many for a URL: the same stream. */
  @Post('watch')
  watchNamed(
    @WatchBody() scope: WatchDto,
    @Req() request: { method: string },
    @Res() response: unknown,
  ): Promise<void> {
    return this.streams.send('watches', request, response, ({ signal }) => this.changes(scope, signal));
  }

  /** Renews many leases at once: `{ renewed: [true, …] }`, in the order of the leases; false where one is lost. */
  @Post('heartbeats')
  async heartbeats(
    @HeartbeatsBody() { leases, by }: HeartbeatsDto,
    @Res() response: unknown,
  ): Promise<{ renewed: readonly boolean[] }> {
    return this.reply.json(response, 200, { renewed: await this.registry.renewAll(leases.map(toLease), by) });
  }

  /** Reports the result of an external health check: 200; 404 `INSTANCE_NOT_FOUND`. */
  @Put('services/:name/instances/:id/health')
  async setHealth(
    @Param('name') serviceName: string,
    @Param('id') instanceId: string,
    @HealthBody() { status: found, detail }: HealthDto,
    @Res() response: unknown,
  ): Promise<HealthReportView> {
    const key = { serviceName, instanceId };
    const known = await this.registry.setStatus(key, found, toHealthDetail(detail, this.clock.epoch()));
    const instance = known ? this.registry.getInstance(key) : undefined;
    if (!instance) throw new InstanceNotFoundError(serviceName, instanceId);
    return this.reply.json(response, 200, {
      service_name: serviceName,
      instance_id: instanceId,
      status: instance.status,
      health_status: instance.healthStatus,
    });
  }

  private async *changes(scope: WatchScope, signal: AbortSignal): AsyncGenerator<string, void, undefined> {
    for await (const change of this.registry.watch(scope, signal)) yield frameOf('change', toChangeBody(change));
  }
}
