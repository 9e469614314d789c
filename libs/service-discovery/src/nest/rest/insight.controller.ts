import { Controller, Get, Inject, Req, Res, UseFilters, UseGuards, VERSION_NEUTRAL } from '@nestjs/common';
import { DiscoveryMetrics } from '../../observability/index.js';
import { ApiGuard, Needs, Restricted } from './access/index.js';
import { DEFAULT_API_OPTIONS } from './api-options.js';
import { RestErrorFilter } from './error-filter.js';
import { EventFrames } from './event-frames.js';
import { EventStreams } from './event-streams.js';
import { Reply } from './reply.js';
import { HiddenFromSwagger } from './swagger.js';

/** The part of the REST API that shows what happens in this process. */
@Controller({ path: DEFAULT_API_OPTIONS.path, version: VERSION_NEUTRAL })
@UseGuards(ApiGuard)
@UseFilters(RestErrorFilter)
@HiddenFromSwagger()
export class ServiceDiscoveryInsightController {
  constructor(
    @Inject(EventFrames) private readonly frames: EventFrames,
    @Inject(DiscoveryMetrics) private readonly metrics: DiscoveryMetrics,
    @Inject(EventStreams) private readonly streams: EventStreams,
    @Inject(Reply) private readonly reply: Reply,
  ) {}

  /** An event stream of what happens in this process from now on; names and data are those of {@link EventView}. */
  @Get('events')
  @Restricted()
  @Needs('read', { everywhere: true })
  events(@Req() request: { method: string }, @Res() response: unknown): Promise<void> {
    return this.streams.send('events', request, response, (reader) => this.frames.read(reader));
  }

  /** Metrics in Prometheus's text format. */
  @Get('metrics')
  @Needs('read', { everywhere: true })
  async scrape(@Res() response: unknown): Promise<string> {
    return this.reply.text(response, this.metrics.contentType, await this.metrics.metrics());
  }
}
