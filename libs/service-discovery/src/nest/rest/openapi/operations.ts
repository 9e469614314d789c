import { DEFAULT_PAGE_LIMIT, GREATEST_PAGE_LIMIT } from '../paging.js';
import { list, oneOf, type Schema, text } from './schema.js';
import { type SCHEMAS } from './schemas.js';

type SchemaName = keyof typeof SCHEMAS;

/** One route of the API. */
export interface Operation {
  /** Method and path, as the controllers declare them. */
  readonly route: string;
  readonly summary: string;
  readonly query?: Readonly<Record<string, Schema>>;
  readonly body?: SchemaName;
  /** Whether it may be left out. @default false */
  readonly bodyIsOptional?: boolean;
  /** What is answered where all is well, by status. */
  readonly answers: Readonly<Record<number, SchemaName | 'nothing' | 'text/plain' | 'text/event-stream'>>;
  /** The codes of errors, by status, beside those of access and of a request that is wrong. */
  readonly errors?: Readonly<Record<number, string>>;
}

const criteria = {
  version: text('A semver range, such as ^1.2.'),
  tag: list(text(), 'Every one has to be there.'),
  zone: text('Instances of this zone come first.'),
  key: text('What hash strategies go by.'),
  client_ip: text('What ip_hash goes by.'),
};
const page = {
  limit: text(
    `How many instances a page shows at most, 1 to ${GREATEST_PAGE_LIMIT}, or fewer where the registry says so. Default: ${DEFAULT_PAGE_LIMIT}.`,
  ),
  after: text('The `next` of the page before.'),
};
const NO_SERVICE = { 404: 'SERVICE_NOT_FOUND' };
const NO_INSTANCE = { 404: 'INSTANCE_NOT_FOUND' };
const NOT_KNOWN = { 503: 'REGISTRY_UNAVAILABLE' };

/** By the name of the handler. */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  register: {
    route: 'POST /register',
    summary: 'Registers an instance, or replaces the one of the same id',
    body: 'RegisterService',
    answers: { 200: 'Registered', 201: 'Registered' },
    errors: {
      404: 'LEASE_LOST: with a claim, where the id was registered later',
      429: 'LIMIT_REACHED: come back after Retry-After',
      503: 'REGISTRY_UNAVAILABLE',
    },
  },
  heartbeat: {
    route: 'PUT /services/:name/instances/:id/heartbeat',
    summary: 'Renews a registration',
    body: 'Heartbeat',
    bodyIsOptional: true,
    answers: { 200: 'Renewed' },
    errors: { 404: 'LEASE_LOST: register again', ...NOT_KNOWN },
  },
  deregister: {
    route: 'DELETE /services/:name/instances/:id',
    summary: 'Deregisters an instance, whether it is there or not',
    query: { generation: text('Only if this generation still holds the lease.') },
    answers: { 204: 'nothing' },
    errors: NOT_KNOWN,
  },
  setStatus: {
    route: 'PUT /services/:name/instances/:id/status',
    summary: 'Sets the operator status: maintenance, draining, or up again',
    body: 'OperatorStatusUpdate',
    answers: { 200: 'OperatorStatus' },
    errors: { ...NO_INSTANCE, ...NOT_KNOWN },
  },
  discover: {
    route: 'GET /discover/:name',
    summary: 'One instance that may be called, chosen by the strategy',
    query: { ...criteria, strategy: text('The name of a strategy.') },
    answers: { 200: 'Instance' },
    errors: { ...NO_SERVICE, 503: 'NO_AVAILABLE_INSTANCE, REGISTRY_UNAVAILABLE' },
  },
  listServices: {
    route: 'GET /services',
    summary: 'All services with their instances',
    query: page,
    answers: { 200: 'Services' },
    errors: NOT_KNOWN,
  },
  listHealthy: {
    route: 'GET /services/healthy',
    summary: 'Services that have a healthy instance, with these instances',
    query: page,
    answers: { 200: 'Services' },
    errors: NOT_KNOWN,
  },
  listByTag: {
    route: 'GET /services/by-tag/:tag',
    summary: 'Services that have an instance with the tag, with these instances',
    query: page,
    answers: { 200: 'Services' },
    errors: NOT_KNOWN,
  },
  getService: {
    route: 'GET /services/:name',
    summary: 'One service with all its instances',
    query: page,
    answers: { 200: 'Service' },
    errors: { ...NO_SERVICE, ...NOT_KNOWN },
  },
  getHistory: {
    route: 'GET /services/:name/instances/:id/history',
    summary: "The last changes of an instance's status",
    answers: { 200: 'History' },
    errors: NO_INSTANCE,
  },
  aggregatedHealth: {
    route: 'GET /health/aggregated',
    summary: 'The health of all services, or of some',
    query: {
      service: list(text(), 'Those alone.'),
      tag: text('Services with it.'),
      tier: text('Services of it.'),
      ...page,
    },
    answers: { 200: 'AggregatedHealth' },
  },
  watch: {
    route: 'GET /watch',
    summary: 'Changes of the registry as server-sent events: a reset first, then every change, unmasked',
    query: {
      services: text('Names with commas between them. Left out: all.'),
      renewals: oneOf(['true', 'false'], 'Whether heartbeats are told, too. Default: false.'),
    },
    answers: { 200: 'text/event-stream' },
    errors: { 503: 'TOO_MANY_STREAMS, REGISTRY_UNAVAILABLE' },
  },
  watchNamed: {
    route: 'POST /watch',
    summary: 'The same as GET /watch, with names in the body: more than a URL can hold',
    body: 'WatchScope',
    answers: { 200: 'text/event-stream' },
    errors: { 503: 'TOO_MANY_STREAMS, REGISTRY_UNAVAILABLE' },
  },
  heartbeats: {
    route: 'POST /heartbeats',
    summary: 'Renews many registrations',
    body: 'Heartbeats',
    answers: { 200: 'RenewedLeases' },
    errors: NOT_KNOWN,
  },
  report: {
    route: 'POST /reports',
    summary: 'Reports the calls of a process and its part of the journal',
    body: 'ProcessReport',
    answers: { 204: 'nothing' },
  },
  setHealth: {
    route: 'PUT /services/:name/instances/:id/health',
    summary: 'Reports what a health check found',
    body: 'HealthReport',
    answers: { 200: 'ReportedHealth' },
    errors: { ...NO_INSTANCE, ...NOT_KNOWN },
  },
  listPatterns: {
    route: 'GET /patterns',
    summary: 'The patterns of calls in force',
    answers: { 200: 'Patterns' },
  },
  listCircuitBreakers: {
    route: 'GET /circuit-breakers',
    summary: 'The circuit breakers of the calls of this process',
    answers: { 200: 'CircuitBreakers' },
  },
  getSplit: {
    route: 'GET /services/:name/split',
    summary: 'How the calls to a service are split, and how attempts at the parts end',
    answers: { 200: 'Split' },
    errors: NO_SERVICE,
  },
  setSplit: {
    route: 'PUT /services/:name/split',
    summary: 'Sets a split as another process made it, unless the split has changed since',
    body: 'SplitUpdate',
    answers: { 200: 'SplitUpdated' },
    errors: { 503: 'REGISTRY_UNAVAILABLE' },
  },
  setShare: {
    route: 'PUT /services/:name/share',
    summary: 'Sets the share of the calls that goes through the gateway of a service, for all callers',
    body: 'ShareUpdate',
    answers: { 200: 'Split' },
    errors: { ...NO_SERVICE, 503: 'REGISTRY_UNAVAILABLE' },
  },
  startRollout: {
    route: 'PUT /services/:name/rollout',
    summary: 'Begins to move the calls to a new version, step by step, for all callers',
    body: 'RolloutStart',
    answers: { 200: 'Split' },
    errors: { ...NO_SERVICE, 503: 'REGISTRY_UNAVAILABLE' },
  },
  endRollout: {
    route: 'PUT /services/:name/rollout/end',
    summary: 'Sends all calls back to the other versions, and forgets a rollout that is over',
    body: 'Note',
    bodyIsOptional: true,
    answers: { 200: 'Split' },
    errors: { ...NO_SERVICE, 503: 'REGISTRY_UNAVAILABLE' },
  },
  forceServiceCircuit: {
    route: 'PUT /circuit-breakers/:name',
    summary: 'Holds the circuit of a service as a whole, for the calls of this process',
    body: 'CircuitCommand',
    answers: { 200: 'ForcedCircuit' },
    errors: NO_SERVICE,
  },
  forceInstanceCircuit: {
    route: 'PUT /circuit-breakers/:name/instances/:id',
    summary: 'Holds the circuit of an instance, for the calls of this process',
    body: 'CircuitCommand',
    answers: { 200: 'ForcedCircuit' },
    errors: { 404: 'SERVICE_NOT_FOUND, INSTANCE_NOT_FOUND' },
  },
  listEjections: {
    route: 'GET /ejections',
    summary: 'The instances that calls of this process avoid, since they did worse than the others',
    answers: { 200: 'Ejections' },
  },
  explain: {
    route: 'GET /explain/:name',
    summary: 'Which instances would take a call, which would not, and why',
    query: { ...criteria, path: text('That of the call. Default: /.') },
    answers: { 200: 'Explanation' },
    errors: { ...NO_SERVICE, ...NOT_KNOWN },
  },
  describePipeline: {
    route: 'GET /pipeline/:name',
    summary: 'The stages around every call to a service, with their settings',
    answers: { 200: 'Pipeline' },
    errors: { ...NO_SERVICE, ...NOT_KNOWN },
  },
  readJournal: {
    route: 'GET /journal',
    summary: 'The last changes of state, faults and actions of operators, the newest first',
    query: {
      service: text('Entries about it.'),
      type: text('Events of this type, such as circuit.opened.'),
      since: text('An ISO time, or the id of an entry: later ones.'),
      before: text('The `next` of the page before: earlier ones.'),
      limit: text('1 to 1000. Default: 100.'),
    },
    answers: { 200: 'Journal' },
  },
  streamJournal: {
    route: 'GET /journal/stream',
    summary: 'The entries of the journal from now on, or after Last-Event-ID, as server-sent events',
    answers: { 200: 'text/event-stream' },
    errors: { 503: 'TOO_MANY_STREAMS' },
  },
  listCalls: {
    route: 'GET /calls',
    summary: 'Calls between services in steps of 10 s, or longer ones, for the last hour',
    query: { service: text('Calls of it and to it.'), minutes: text('1 to 60. Default: 60.') },
    answers: { 200: 'CallFigures' },
  },
  showTopology: {
    route: 'GET /topology',
    summary: 'Which service calls which, what is not well, and what depends on it',
    answers: { 200: 'Topology' },
  },
  showOverview: {
    route: 'GET /overview',
    summary: 'What is not well, and how many services and instances there are',
    answers: { 200: 'Overview' },
  },
  events: {
    route: 'GET /events',
    summary: 'What happens in this process from now on, as server-sent events',
    answers: { 200: 'text/event-stream' },
    errors: { 503: 'TOO_MANY_STREAMS' },
  },
  showScaling: {
    route: 'GET /scaling/:name',
    summary: 'What all callers asked of a service in the last minute, for autoscalers',
    answers: { 200: 'Scaling' },
    errors: NO_SERVICE,
  },
  listScrapeTargets: {
    route: 'GET /sd/prometheus',
    summary: "The instances that speak HTTP, for Prometheus's HTTP service discovery",
    answers: { 200: 'ScrapeTargets' },
    errors: NOT_KNOWN,
  },
  scrape: {
    route: 'GET /metrics',
    summary: "Metrics in Prometheus's text format",
    answers: { 200: 'text/plain' },
  },
};
