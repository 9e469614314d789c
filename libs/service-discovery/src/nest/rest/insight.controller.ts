import { Controller, Get, Inject, Req, Res, UseFilters, UseGuards, VERSION_NEUTRAL } from '@nestjs/common';
import { ServiceCommunicator } from '../../communicator/index.js';
import { type Tier } from '../../model/index.js';
import { DiscoveryMetrics, EventBus } from '../../observability/index.js';
import { ApiGuard } from './access.js';
import { DEFAULT_API_OPTIONS } from './api-options.js';
import { RestErrorFilter } from './error-filter.js';
import { EventStreams, type OutgoingEvent } from './event-streams.js';
import { Reply } from './reply.js';
import {
  type CircuitBreakerBody,
  type PatternView,
  toCircuitBreakerBody,
  toEventView,
  toPatternView,
} from './views/index.js';

/** The part of the REST API that shows what this process does. */
@Controller({ path: DEFAULT_API_OPTIONS.path, version: VERSION_NEUTRAL })
@UseGuards(ApiGuard)
@UseFilters(RestErrorFilter)
export class InsightController {
  constructor(
    @Inject(ServiceCommunicator) private readonly communicator: ServiceCommunicator,
    @Inject(EventBus) private readonly bus: EventBus,
    @Inject(DiscoveryMetrics) private readonly metrics: DiscoveryMetrics,
    @Inject(EventStreams) private readonly streams: EventStreams,
    @Inject(Reply) private readonly reply: Reply,
  ) {}

  /** The tier patterns in force, by tier. */
  @Get('patterns')
  listPatterns(@Res() response: unknown): { patterns: Readonly<Partial<Record<Tier, PatternView>>> } {
    const patterns = Object.entries(this.communicator.getCommunicationPatterns());
    const views = patterns.map(([tier, pattern]) => [tier, toPatternView(pattern)] as const);
    return this.reply.json(response, 200, { patterns: Object.fromEntries(views) });
  }

  /** The breakers of all instances that were called from this process. */
  @Get('circuit-breakers')
  listCircuitBreakers(@Res() response: unknown): { circuit_breakers: readonly CircuitBreakerBody[]; total: number } {
    const breakers = this.communicator.circuitBreakers().map(toCircuitBreakerBody);
    return this.reply.json(response, 200, { circuit_breakers: breakers, total: breakers.length });
  }

  /** An event stream of what happens in this process from now on; names and data are those of {@link EventView}. */
  @Get('events')
  events(@Req() request: { method: string }, @Res() response: unknown): Promise<void> {
    return this.streams.send(request, response, (signal) => this.views(signal));
  }

  /** Metrics in Prometheus's text format. */
  @Get('metrics')
  async scrape(@Res() response: unknown): Promise<string> {
    return this.reply.text(response, this.metrics.contentType, await this.metrics.metrics());
  }

  private async *views(signal: AbortSignal): AsyncGenerator<OutgoingEvent, void, undefined> {
    for await (const event of this.bus.subscribe(signal)) yield { type: event.type, data: toEventView(event) };
  }
}
