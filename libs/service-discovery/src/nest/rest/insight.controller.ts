import { type IncomingHttpHeaders } from 'node:http';
import { Controller, Get, Inject, Param, Req, Res, UseFilters, UseGuards, VERSION_NEUTRAL } from '@nestjs/common';
import {
  type CallFiguresView,
  type ForcedCircuitView,
  type JournalView,
  type OverviewView,
  type ScalingView,
  type ScrapeTargetView,
  type TopologyView,
} from '../../client/index.js';
import { ServiceCommunicator } from '../../communicator/index.js';
import { HealthAggregator, HealthMonitor } from '../../health/index.js';
import { isHttp, type JournalEntry } from '../../model/index.js';
import {
  CallFigures,
  describeTopology,
  DiscoveryMetrics,
  Fleet,
  Journal,
  type JournalWriter,
  type Topology,
} from '../../observability/index.js';
import { ServiceRegistry } from '../../registry/index.js';
import { type ResolvedServiceDiscoveryOptions } from '../options/options.js';
import { JOURNAL_WRITER, OPTIONS_IN_FORCE } from '../tokens.js';
import { accessOf, ApiGuard, Needs, readableServices, type RequestAccess, Restricted } from './access/index.js';
import { ageHeader } from './rest-error.js';
import { DEFAULT_API_OPTIONS } from './api-options.js';
import { type CallsQuery, type JournalPageQuery, toJournalQuery, toMinutes } from './dto/insight.query.js';
import { RestErrorFilter } from './error-filter.js';
import { EventFrames } from './event-frames.js';
import { EventStreams } from './event-streams.js';
import { journalFrames } from './journal-frames.js';
import { CallsParams, JournalParams } from './params.js';
import { Reply } from './reply.js';
import { RequestedService } from './requested-service.js';
import { HiddenFromSwagger } from './swagger.js';
import {
  joinSteps,
  toCallEdgeView,
  toCallFiguresView,
  toCountsView,
  toFaultViews,
  toForcedCircuitViews,
  toHeldExpiryView,
  toInstanceCallsViews,
  toReadableEntry,
  toScalingView,
  toScrapeTargetView,
  toTopologyView,
} from './views/index.js';

/** The part of the REST API that shows what happens: in this process, and in those that report to it. */
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
    @Inject(Journal) private readonly journal: Journal,
    @Inject(CallFigures) private readonly figures: CallFigures,
    @Inject(Fleet) private readonly fleet: Fleet,
    @Inject(HealthAggregator) private readonly aggregator: HealthAggregator,
    @Inject(HealthMonitor) private readonly monitor: HealthMonitor | null,
    @Inject(ServiceRegistry) private readonly registry: ServiceRegistry,
    @Inject(ServiceCommunicator) private readonly communicator: ServiceCommunicator,
    @Inject(OPTIONS_IN_FORCE) private readonly options: Pick<ResolvedServiceDiscoveryOptions, 'mode'>,
    @Inject(JOURNAL_WRITER) private readonly writer: Pick<JournalWriter, 'process'>,
    @Inject(RequestedService) private readonly requested: RequestedService,
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

  /**
   * The instances that speak HTTP, as Prometheus's HTTP service discovery asks for them. 503 `REGISTRY_UNAVAILABLE` while nothing is known
   * yet, at which Prometheus keeps the targets that it has.
   */
  @Get('sd/prometheus')
  listScrapeTargets(@Req() request: object, @Res() response: unknown): ScrapeTargetView[] {
    const services = readableServices(this.registry, request);
    const instances = services.flatMap(([, all]) => all.filter(({ protocol }) => isHttp(protocol)));
    return this.reply.json(response, 200, instances.map(toScrapeTargetView), ageHeader(this.registry));
  }

  /** The last changes of state, faults, and what operators did, the newest first: those about services that the caller may read. */
  @Get('journal')
  @Restricted()
  readJournal(@JournalParams() query: JournalPageQuery, @Req() request: object, @Res() response: unknown): JournalView {
    const access = accessOf(request);
    const { limit, ...wanted } = toJournalQuery(query);
    const found = this.journal.read({ ...wanted, limit: limit + 1, isShown: (entry) => isShown(entry, access) });
    const entries = found.slice(0, limit).map((entry) => readable(entry, access));
    const next = found.length > limit ? entries.at(-1)!.id : null;
    return this.reply.json(response, 200, { entries, next });
  }

  /** An event stream of the journal's entries from now on, or from the entry of `Last-Event-ID` on. */
  @Get('journal/stream')
  @Restricted()
  streamJournal(
    @Req() request: { method: string; headers: IncomingHttpHeaders },
    @Res() response: unknown,
  ): Promise<void> {
    const access = accessOf(request);
    const lastId = request.headers['last-event-id'];
    return this.streams.send('events', request, response, (reader) =>
      journalFrames(this.journal, this.fleet, reader, typeof lastId === 'string' ? lastId : undefined, (entry) =>
        isShown(entry, access) ? readable(entry, access) : undefined,
      ),
    );
  }

  /** Calls between services in steps of 10 s, or longer ones, for the last hour: of this process, and of those that report to it. */
  @Get('calls')
  async listCalls(
    @CallsParams() query: CallsQuery,
    @Req() request: object,
    @Res() response: unknown,
  ): Promise<CallFiguresView> {
    await this.fleet.catchUp();
    const access = accessOf(request);
    const { service: asked } = query;
    const minutes = toMinutes(query);
    const { from, edges } = this.figures.edges(minutes);
    const shown = edges.filter(({ caller, service }) => {
      const isAsked = asked === undefined || asked === caller || asked === service;
      return isAsked && mayRead(caller, access) && access.mayRead(service);
    });
    const { stepMs, edges: joined } = joinSteps(shown, from + minutes * 60_000);
    const views = joined.map((edge) => toCallEdgeView(edge, this.communicator.retryBudgetLeft(edge.service)));
    const instances =
      asked !== undefined && access.mayRead(asked)
        ? toInstanceCallsViews(
            this.figures.instancesOf(asked, minutes),
            this.registry.snapshot.services.get(asked) ?? [],
          )
        : [];
    return this.reply.json(response, 200, toCallFiguresView(from, stepMs, views, instances));
  }

  /** What all callers asked of a service in the last minute, as numbers by which a scaler goes; 404 `SERVICE_NOT_FOUND`. */
  @Get('scaling/:name')
  async showScaling(
    @Param('name') service: string,
    @Req() request: object,
    @Res() response: unknown,
  ): Promise<ScalingView> {
    await this.fleet.catchUp();
    const demand = this.figures.demandOf(service);
    if (!demand) this.requested.mustExist(service, request);
    return this.reply.json(response, 200, toScalingView(service, demand), ageHeader(this.registry));
  }

  /** Which service calls which, by calls of the last minute and by what registrations declare; what is not well, and what depends on it. */
  @Get('topology')
  async showTopology(@Req() request: object, @Res() response: unknown): Promise<TopologyView> {
    const access = accessOf(request);
    const view = toTopologyView(await this.topology(), this.registry.snapshot, (name) => access.mayRead(name));
    return this.reply.json(response, 200, view, ageHeader(this.registry));
  }

  /** What is not well, how many services and instances there are, and how current this process's view of them is. */
  @Get('overview')
  async showOverview(@Req() request: object, @Res() response: unknown): Promise<OverviewView> {
    const access = accessOf(request);
    const mayReadService = (name: string): boolean => access.mayRead(name);
    const { connected, ageSeconds } = this.aggregator.getSummary().registry;
    const topology = await this.topology();
    const view: OverviewView = {
      registry: {
        mode: this.options.mode ?? 'custom',
        connected,
        age_seconds: ageSeconds,
        replicas: this.replicas(connected),
        held_expiry: toHeldExpiryView(this.registry.snapshot, mayReadService),
      },
      counts: toCountsView(topology, mayReadService),
      faults: toFaultViews(topology.faults, mayReadService),
      forced_circuits: this.forcedCircuits(mayReadService),
      rights: { operate: access.operatesAnything },
      process: this.writer.process,
    };
    return this.reply.json(response, 200, view, ageHeader(this.registry));
  }

  private forcedCircuits(mayReadService: (name: string) => boolean): ForcedCircuitView[] {
    const circuits = this.communicator.circuitBreakers().filter(({ forced }) => forced !== undefined);
    if (circuits.length === 0) return [];
    const { process } = this.writer;
    const commands = this.journal.read({ type: 'operator.acted', isShown: (entry) => entry.process === process });
    return toForcedCircuitViews(circuits, commands, mayReadService);
  }

  /** How many processes hold the registry, see {@link OverviewView}. */
  private replicas(connected: boolean): number | null {
    switch (this.options.mode) {
      case 'memory_only':
        return 1;
      case 'remote':
        return connected ? 1 : 0;
      case 'redis_backed':
      case 'hybrid':
        return this.monitor?.processes ?? null;
      case undefined:
        return null;
    }
  }

  private async topology(): Promise<Topology> {
    await this.fleet.catchUp();
    return describeTopology(this.aggregator, this.figures.lastMinute());
  }
}

/** What is about no service, and who was refused, is for those who may read everything. */
function isShown({ service_name: service, type }: JournalEntry, access: RequestAccess): boolean {
  if (access.readsEverything) return true;
  return service !== null && access.mayRead(service) && !type.startsWith('api.');
}

function readable(entry: JournalEntry, access: RequestAccess): JournalEntry {
  return access.readsEverything ? entry : toReadableEntry(entry, (name) => access.mayRead(name));
}

function mayRead(caller: string, access: RequestAccess): boolean {
  return access.readsEverything || access.mayRead(caller);
}
