import { Controller, Get, Inject, Param, Put, Req, Res, UseFilters, UseGuards, VERSION_NEUTRAL } from '@nestjs/common';
import {
  type CallsView,
  type CircuitBreakerBody,
  type CircuitCommandView,
  type ExplanationView,
} from '../../client/index.js';
import { ServiceCommunicator } from '../../communicator/index.js';
import { type Tier } from '../../model/index.js';
import { EventBus } from '../../observability/index.js';
import { ServiceRegistry } from '../../registry/index.js';
import { accessOf, ApiGuard } from './access/index.js';
import { DEFAULT_API_OPTIONS } from './api-options.js';
import { type CircuitDto } from './dto/circuit.dto.js';
import { type ExplainQuery, toRequest } from './dto/criteria.query.js';
import { RestErrorFilter } from './error-filter.js';
import { CircuitBody, ExplainParams } from './params.js';
import { Reply } from './reply.js';
import { RequestedService } from './requested-service.js';
import { ageHeader } from './rest-error.js';
import { HiddenFromSwagger } from './swagger.js';
import {
  type PatternView,
  toCircuitBreakerBody,
  toEjectionBody,
  toExplanationBody,
  toPatternView,
  toStageBody,
} from './views/index.js';

/** The part of the REST API about the calls that this process makes: how they are protected, and why they go where they go. */
@Controller({ path: DEFAULT_API_OPTIONS.path, version: VERSION_NEUTRAL })
@UseGuards(ApiGuard)
@UseFilters(RestErrorFilter)
@HiddenFromSwagger()
export class ServiceDiscoveryCallsController {
  constructor(
    @Inject(ServiceCommunicator) private readonly communicator: ServiceCommunicator,
    @Inject(ServiceRegistry) private readonly registry: ServiceRegistry,
    @Inject(Reply) private readonly reply: Reply,
    @Inject(EventBus) private readonly events: EventBus,
    @Inject(RequestedService) private readonly requested: RequestedService,
  ) {}

  /** The patterns in force, by name: those of the tiers, and those of the options. */
  @Get('patterns')
  listPatterns(@Res() response: unknown): { patterns: Readonly<Partial<Record<Tier, PatternView>>> } {
    const patterns = Object.entries(this.communicator.getCommunicationPatterns());
    const views = patterns.map(([tier, pattern]) => [tier, toPatternView(pattern)] as const);
    return this.reply.json(response, 200, { patterns: Object.fromEntries(views) });
  }

  /** The breakers of all services and instances that were called from this process. */
  @Get('circuit-breakers')
  listCircuitBreakers(
    @Req() request: object,
    @Res() response: unknown,
  ): { circuit_breakers: readonly CircuitBreakerBody[]; total: number } {
    const access = accessOf(request);
    const breakers = this.communicator
      .circuitBreakers()
      .filter(({ service }) => access.mayRead(service))
      .map(toCircuitBreakerBody);
    return this.reply.json(response, 200, { circuit_breakers: breakers, total: breakers.length });
  }

  /** Holds the circuit of a service as a whole, for the calls of this process; 404 `SERVICE_NOT_FOUND`. */
  @Put('circuit-breakers/:name')
  async forceServiceCircuit(
    @Param('name') service: string,
    @CircuitBody() command: CircuitDto,
    @Req() request: object,
    @Res() response: unknown,
  ): Promise<CircuitCommandView> {
    return this.force(request, response, service, undefined, command);
  }

  /** Holds the circuit of an instance, for the calls of this process; 404 `SERVICE_NOT_FOUND`, `INSTANCE_NOT_FOUND`. */
  @Put('circuit-breakers/:name/instances/:id')
  async forceInstanceCircuit(
    @Param('name') service: string,
    @Param('id') instanceId: string,
    @CircuitBody() command: CircuitDto,
    @Req() request: object,
    @Res() response: unknown,
  ): Promise<CircuitCommandView> {
    return this.force(request, response, service, instanceId, command);
  }

  /** The instances that calls of this process avoid for a while, since they did worse than the others. */
  @Get('ejections')
  listEjections(@Req() request: object, @Res() response: unknown): { ejections: readonly CallsView[]; total: number } {
    const access = accessOf(request);
    const ejections = this.communicator
      .ejections()
      .filter(({ service }) => access.mayRead(service))
      .map(toEjectionBody);
    return this.reply.json(response, 200, { ejections, total: ejections.length });
  }

  /** Which instances would take a call, which would not and why, and what limits it; 404 `SERVICE_NOT_FOUND`. */
  @Get('explain/:name')
  async explain(
    @Param('name') service: string,
    @ExplainParams() query: ExplainQuery,
    @Req() request: object,
    @Res() response: unknown,
  ): Promise<ExplanationView> {
    this.requested.mustExist(service, request);
    const explanation = toExplanationBody(this.communicator.explain(service, toRequest(query)));
    return this.reply.json(response, 200, explanation, ageHeader(this.registry));
  }

  /** The stages around every call to a service, the outermost first; 404 `SERVICE_NOT_FOUND`. */
  @Get('pipeline/:name')
  async describePipeline(
    @Param('name') service: string,
    @Req() request: object,
    @Res() response: unknown,
  ): Promise<{ service_name: string; stages: readonly CallsView[] }> {
    this.requested.mustExist(service, request);
    const stages = this.communicator.describePipeline(service).map(toStageBody);
    return this.reply.json(response, 200, { service_name: service, stages });
  }

  private async force(
    request: object,
    response: unknown,
    service: string,
    instanceId: string | undefined,
    { state, reason, by }: CircuitDto,
  ): Promise<CircuitCommandView> {
    await this.registry.follow(service);
    this.requested.mustExist(service, request);
    this.communicator.forceCircuit(service, instanceId, state);
    const what = { service, instanceId, action: 'force_circuit', to: state } as const;
    this.events.emit('operator.acted', { ...what, by: accessOf(request).actor(by), reason });
    return this.reply.json(response, 200, { service_name: service, instance_id: instanceId ?? null, state });
  }
}
