import { Controller, Get, Inject, Param, Put, Req, Res, UseFilters, UseGuards, VERSION_NEUTRAL } from '@nestjs/common';
import { type SplitView } from '../../client/index.js';
import { EventBus, Fleet, SplitFigures } from '../../observability/index.js';
import { ServiceRegistry } from '../../registry/index.js';
import { type SplitAnswer } from '../../store/index.js';
import { accessOf, ApiGuard } from './access/index.js';
import { DEFAULT_API_OPTIONS } from './api-options.js';
import { type NoteDto, type RolloutDto, type ShareDto, type SplitDto } from './dto/split.dto.js';
import { RestErrorFilter } from './error-filter.js';
import { NoteBody, RolloutBody, ShareBody, SplitBody } from './params.js';
import { Reply } from './reply.js';
import { RequestedService } from './requested-service.js';
import { ageHeader } from './rest-error.js';
import { HiddenFromSwagger } from './swagger.js';
import { toSplitView } from './views/index.js';

/** The part of the REST API about how the calls to a service are split, for all callers. */
@Controller({ path: DEFAULT_API_OPTIONS.path, version: VERSION_NEUTRAL })
@UseGuards(ApiGuard)
@UseFilters(RestErrorFilter)
@HiddenFromSwagger()
export class ServiceDiscoverySplitsController {
  constructor(
    @Inject(ServiceRegistry) private readonly registry: ServiceRegistry,
    @Inject(SplitFigures) private readonly figures: SplitFigures,
    @Inject(Fleet) private readonly fleet: Fleet,
    @Inject(Reply) private readonly reply: Reply,
    @Inject(EventBus) private readonly events: EventBus,
    @Inject(RequestedService) private readonly requested: RequestedService,
  ) {}

  /** The split, and how attempts at its parts ended since it was last changed; 404 `SERVICE_NOT_FOUND`. */
  @Get('services/:name/split')
  async getSplit(@Param('name') service: string, @Req() request: object, @Res() response: unknown): Promise<SplitView> {
    await this.fleet.catchUp();
    return this.show(service, request, response);
  }

  /** Sets a split as another process made it, unless the split has changed since. */
  @Put('services/:name/split')
  async setSplit(
    @Param('name') service: string,
    @SplitBody() { split, replaces }: SplitDto,
    @Res() response: unknown,
  ): Promise<SplitAnswer> {
    const replaced = await this.registry.setSplit(service, split, replaces);
    return this.reply.json(response, 200, { replaced });
  }

  /** Sets the share of the calls that goes through the gateway: 200; 400 if none is known; 404 `SERVICE_NOT_FOUND`. */
  @Put('services/:name/share')
  async setShare(
    @Param('name') service: string,
    @ShareBody() { share, reason, by }: ShareDto,
    @Req() request: object,
    @Res() response: unknown,
  ): Promise<SplitView> {
    await this.follow(service, request);
    await this.registry.setShare(service, share);
    const what = { service, action: 'set_share', to: `${share} %` } as const;
    this.events.emit('operator.acted', { ...what, by: accessOf(request).actor(by), reason });
    return this.show(service, request, response);
  }

  /** Begins to move the calls to a new version: 200; 400 while another rollout is running; 404 `SERVICE_NOT_FOUND`. */
  @Put('services/:name/rollout')
  async startRollout(
    @Param('name') service: string,
    @RolloutBody() { reason, by, ...body }: RolloutDto,
    @Req() request: object,
    @Res() response: unknown,
  ): Promise<SplitView> {
    await this.follow(service, request);
    const { version, steps, step_duration, max_error_rate, max_p99, min_attempts } = body;
    const rollout = await this.registry.startRollout(service, {
      version,
      steps,
      stepDuration: step_duration,
      maxErrorRate: max_error_rate,
      maxP99: max_p99,
      minAttempts: min_attempts,
    });
    const what = {
      service,
      action: 'set_rollout',
      to: `${version} in steps of ${rollout.steps.join(', ')} %`,
    } as const;
    this.events.emit('operator.acted', { ...what, by: accessOf(request).actor(by), reason });
    return this.show(service, request, response);
  }

  /** Sends all calls back to the other versions, and forgets a rollout that is over: 200; 400 without one. */
  @Put('services/:name/rollout/end')
  async endRollout(
    @Param('name') service: string,
    @NoteBody() { reason, by }: NoteDto,
    @Req() request: object,
    @Res() response: unknown,
  ): Promise<SplitView> {
    await this.follow(service, request);
    await this.registry.endRollout(service, reason);
    const to = this.registry.splitOf(service)?.rollout?.state ?? 'none';
    const what = { service, action: 'set_rollout', to } as const;
    this.events.emit('operator.acted', { ...what, by: accessOf(request).actor(by), reason });
    return this.show(service, request, response);
  }

  private async follow(service: string, request: object): Promise<void> {
    await this.registry.follow(service);
    this.mustExist(service, request);
  }

  private show(service: string, request: object, response: unknown): SplitView {
    this.mustExist(service, request);
    const view = toSplitView(service, this.registry.splitOf(service), this.figures.of(service));
    return this.reply.json(response, 200, view, ageHeader(this.registry));
  }

  private mustExist(service: string, request: object): void {
    if (!this.registry.splitOf(service)) this.requested.mustExist(service, request);
  }
}
