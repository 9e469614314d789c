import { CIRCUIT_COMMANDS } from '../../../communicator/index.js';
import { PROTOCOLS, ROLLOUT_STATES, SPLIT_PARTS } from '../../../model/index.js';
import {
  anything,
  flag,
  integer,
  list,
  mapOf,
  moment,
  number,
  object,
  oneOf,
  orNull,
  reference,
  type Schema,
  text,
} from './schema.js';

const HEALTH_STATUSES = ['unknown', 'healthy', 'unhealthy'];
const INSTANCE_STATUSES = [...HEALTH_STATUSES, 'maintenance', 'draining'];
const OPERATOR_STATUSES = ['up', 'maintenance', 'draining'];
const AGGREGATED_STATUSES = ['healthy', 'degraded', 'unhealthy', 'unknown'];
const LEASES = ['heartbeat', 'checks'];

const key = { service_name: text(), instance_id: text() };
const status = oneOf(INSTANCE_STATUSES, 'What callers go by.');
const forcedCircuit = oneOf(CIRCUIT_COMMANDS.filter((command) => command !== 'automatic'));
const aggregated = oneOf(AGGREGATED_STATUSES);
const generation = integer('Grows with each registration of the id. Sent along, it proves who registered last.', {
  minimum: 0,
});
const ttl = number('Seconds until the registration ends, unless it is renewed.');
const lease = oneOf(LEASES, 'What renews the registration.');
const label = { minLength: 1, maxLength: 128 };

/** What a registration says of an instance, as it is shown. */
const traits = {
  host: text(),
  port: integer(),
  protocol: oneOf(PROTOCOLS),
  path: text('What comes before every path; empty where nothing does.'),
  health_check_path: orNull(text('From the root of the host; null: its port has to accept a connection.')),
  'health_check?': mapOf(true, 'How the instance asks to be checked, durations in seconds.'),
  metadata: mapOf(true, 'Values that look like secrets are masked.'),
  tags: list(text()),
  'version?': text('A semantic version.'),
  weight: number(),
  'zone?': text(),
  'tier?': text(),
  'dependencies?': list(text(), 'The services that it calls.'),
};

const instance = {
  ...key,
  base_url: text('What a request path is appended to.'),
  status,
  operator_status: oneOf(OPERATOR_STATUSES),
  'operator_note?': object({ since: moment(), 'reason?': text(), 'by?': text() }),
  health_status: oneOf(HEALTH_STATUSES),
  'health?': reference('HealthDetail'),
  ...traits,
  generation,
  ttl,
  lease,
  registered_at: moment(),
  last_heartbeat: moment(),
};

const counts = {
  overall_status: aggregated,
  total_services: integer(),
  healthy_services: integer(),
  degraded_services: integer(),
  unhealthy_services: integer(),
  unknown_services: integer(),
};

const WHY_AND_WHO = {
  'reason?': text('For the journal.', { minLength: 1, maxLength: 256 }),
  'by?': text('A name for the journal, which shows it before the caller that the credential stands for.', label),
};

const BUCKETS = 'Numbers of buckets, each followed by how many calls were in it.';
const latencies = { p50_ms: orNull(number()), p95_ms: orNull(number()), p99_ms: orNull(number()) };
const faults = list(
  object({
    service_name: text(),
    status: oneOf(['unhealthy', 'degraded', 'not_registered']),
    since: orNull(moment()),
    text: text('What is wrong, for people.'),
    caused_by: list(text(), 'The services at fault that it depends on.'),
    breaks: list(text(), 'The services that depend on it, directly or through others.'),
  }),
  'Root causes first; services that are only degraded last.',
);

const DETAIL = {
  'reason?': text(),
  'latency_ms?': number(),
  'status_code?': integer('The HTTP status, where the check was HTTP.'),
  'data?': anything('What the health endpoint answered.'),
  'flapping?': flag(),
};

const gatewayShare = object({
  url: text('What a request path is appended to.'),
  share: number('Per cent of the calls.', { minimum: 0, maximum: 100 }),
});

const rollout = object({
  version: text('The semver range of the new version.'),
  state: oneOf(ROLLOUT_STATES),
  share: number('What the new version gets of the calls, in per cent.'),
  steps: list(number(), 'The share at each step, in per cent.'),
  since: moment('Since when it is at this share.'),
  step_ms: integer('How long a step takes at least.'),
  max_error_rate: number('The share of failed attempts above which it is rolled back, 0 to 1.'),
  max_p99_ms: orNull(number('The p99 above which it is rolled back.')),
  min_attempts: integer('So many attempts decide a step.'),
  reason: orNull(text('Why it was rolled back or aborted.')),
  driver: orNull(text('The process that moves it on.')),
});

/** What the REST API takes and answers, by name. */
export const SCHEMAS = {
  Error: object({
    error: object({
      code: text('Stable; docs/reference/errors.md lists all.'),
      message: text('For people; may change between releases.'),
      page: text('Where the code is explained, with what to do.'),
      problems: list(
        object({ field: text(), value: anything('What was sent, shortened.'), expected: text() }),
        'Every wrong field of the request.',
      ),
      'service?': text(),
      'instance_id?': text(),
      'reason?': text(),
      'retry_after_ms?': number(),
      'refused_by?': oneOf(['global_guard'], 'A global guard of the app, before the token was looked at.'),
    }),
    status_code: integer(),
  }),
  RegisterService: object({
    service_name: text(undefined, label),
    host: text('Where callers reach it.'),
    port: integer(undefined, { minimum: 1, maximum: 65_535 }),
    'protocol?': oneOf(PROTOCOLS, 'Default: http.'),
    'path?': text('What comes before every path.'),
    'health_check_path?': orNull(text('Default: /health; null: its port has to accept a connection.')),
    'health_check?': mapOf(true, 'How it is checked, with durations in seconds: docs/health-checks.md.'),
    'metadata?': mapOf(true),
    'tags?': list(text()),
    'version?': text('A semantic version.'),
    'weight?': number('Its share of the calls beside the others. Default: 100.'),
    'zone?': text(),
    'tier?': text('The pattern of calls to it, such as web or ml.'),
    'dependencies?': list(text(), 'The services that it calls.'),
    'instance_id?': text('Default: host:port.'),
    'ttl?': number('Seconds. With it, only heartbeats renew the registration.', { minimum: 1, maximum: 86_400 }),
    'lease?': oneOf(LEASES, 'Default: heartbeat with a ttl, else checks.'),
    'claim?': integer('The generation of the first registration, for one that comes back after its lease was lost.'),
  }),
  Registered: object({ ...key, generation, base_url: text(), status, ttl, lease }),
  Heartbeat: object({ 'generation?': generation }),
  Renewed: object({ ...key, generation, status, ttl, lease }),
  Heartbeats: object({
    leases: { ...list(object({ ...key, generation })), maxItems: 10_000 },
    'by?': oneOf(LEASES, 'checks: the leases that checks keep are renewed. Default: heartbeat.'),
  }),
  WatchScope: object({
    services: { ...list(text(), 'Names of services.'), maxItems: 20_000 },
    'renewals?': flag('Whether heartbeats are told, too. Default: false.'),
  }),
  RenewedLeases: object({ renewed: list(flag(), 'In the order of the leases; false where one is lost.') }),
  OperatorStatusUpdate: object({
    status: oneOf(OPERATOR_STATUSES),
    ...WHY_AND_WHO,
  }),
  OperatorStatus: object({ ...key, status, operator_status: oneOf(OPERATOR_STATUSES) }),
  HealthReport: object({
    status: oneOf(HEALTH_STATUSES),
    'detail?': object({ 'checked_at?': moment('Default: now.'), ...DETAIL }),
  }),
  ReportedHealth: object({ ...key, status, health_status: oneOf(HEALTH_STATUSES) }),
  HealthDetail: object({ checked_at: moment(), 'since?': moment(), ...DETAIL }, 'What the last health check saw.'),
  Instance: object(instance),
  ListedInstance: object({
    ...instance,
    'expires_at?': moment('Left out where this process does not follow renewals.'),
    reasons: list(reference('StatusReason'), 'The strongest first.'),
  }),
  StatusReason: object({
    source: oneOf(['operator', 'lease', 'active', 'passive']),
    status: orNull(oneOf(INSTANCE_STATUSES)),
    reason: orNull(text()),
    since: orNull(moment()),
    'by?': text(),
  }),
  ExpiryHold: orNull(
    object(
      { since: moment(), overdue: integer(), total: integer() },
      'Too many instances miss their heartbeats at once. Null: expiry is as usual.',
    ),
  ),
  Service: object({
    service_name: text(),
    base_url: text('Of an instance that can be called, where there is one.'),
    status: aggregated,
    instances: list(reference('ListedInstance')),
    total_instances: integer(),
    healthy_instances: integer(),
    expiry_held: reference('ExpiryHold'),
    'next?': text('There are more instances: the `after` of GET /services/:name that shows them.'),
  }),
  Services: object({
    services: list(reference('Service')),
    total: integer('Of all pages.'),
    'next?': text('The `after` of the next page. Left out: this is the last one.'),
  }),
  History: object({
    ...key,
    transitions: list(
      object({
        from: orNull(oneOf(INSTANCE_STATUSES)),
        to: orNull(oneOf(INSTANCE_STATUSES)),
        source: text(),
        reason: orNull(text()),
        at: moment(),
      }),
      'The oldest first.',
    ),
  }),
  AggregatedHealth: object({
    ...counts,
    timestamp: moment(),
    namespace: orNull(text('Null where the registry is another process.')),
    services: mapOf(reference('ServiceHealth')),
    'next?': text('There are more services: the `after` of the page that shows them.'),
    missing_services: list(text(), 'Required, and not registered.'),
    faults: list(
      object({ services: list(text()), kind: text(), cascades: list(text()), at_risk: list(text()) }),
      'What is out of order by itself, and which services it affects.',
    ),
    registry: object({ connected: flag(), age_seconds: integer(), 'write_refusal?': text() }),
  }),
  ServiceHealth: object({
    status: aggregated,
    endpoint: text(),
    last_heartbeat: moment(),
    health_data: anything('What its health endpoint answered last.'),
    expiry_held: reference('ExpiryHold'),
    dependencies: list(text()),
    affected_by: list(text()),
    instances: list(reference('InstanceHealth')),
  }),
  InstanceHealth: object({
    instance_id: text(),
    status,
    reasons: list(reference('StatusReason')),
    endpoint: text(),
    last_heartbeat: moment(),
    last_checked: orNull(moment()),
    latency_ms: orNull(number()),
    status_code: orNull(integer()),
    reason: orNull(text()),
    flapping: flag(),
    health_data: anything('What its health endpoint answered last.'),
  }),
  Patterns: object({ patterns: mapOf(mapOf(true), 'By name; durations in seconds.') }),
  CircuitBreakers: object({
    circuit_breakers: list(
      object({
        service_name: text(),
        instance_id: orNull(text('Null: the service as a whole.')),
        state: oneOf(['closed', 'open', 'half_open', 'isolated']),
        forced: orNull(forcedCircuit),
        failures: integer(),
        held_closed: flag('A condition to open is met, but too many circuits of the service are open.'),
        window: orNull(mapOf(number())),
        state_age_ms: number(),
        probes: integer(),
        share: number('The share of the calls that is let through.'),
        retry_after_ms: orNull(number()),
      }),
    ),
    total: integer(),
  }),
  Split: object({
    service_name: text(),
    via: orNull(gatewayShare),
    rollout: orNull(rollout),
    parts: list(
      object({
        part: oneOf(SPLIT_PARTS),
        attempts: integer(),
        share: number('Of all attempts, 0 to 1.'),
        errors: integer(),
        error_rate: number('0 to 1.'),
        p99_ms: orNull(number()),
      }),
      'Attempts since the split was last changed: of the process that is asked, and of those that report to it.',
    ),
  }),
  RolloutStart: object({
    version: text('The semver range of the new version, such as 2.x.'),
    'steps?': list(number(), 'Growing shares in per cent, of which the last is 100. Default: 5, 25, 100.'),
    'step_duration?': anything('How long a step takes at least: a duration such as 5m, or milliseconds. Default: 5m.'),
    'max_error_rate?': number('0 to 1. Default: 0.05.', { minimum: 0, maximum: 1 }),
    'max_p99?': anything('A duration such as 500ms, or milliseconds. Default: latency does not matter.'),
    'min_attempts?': integer('So many attempts decide a step. Default: 20.', { minimum: 1 }),
    ...WHY_AND_WHO,
  }),
  Note: object({ ...WHY_AND_WHO }),
  ServiceSplit: object({ 'via?': gatewayShare, 'rollout?': anything('As processes keep it.') }),
  SplitUpdate: object({
    split: reference('ServiceSplit'),
    'replaces?': reference('ServiceSplit'),
  }),
  SplitUpdated: object({ replaced: flag('False: the service has another split than `replaces`.') }),
  ShareUpdate: object({ share: number('Per cent of the calls.', { minimum: 0, maximum: 100 }), ...WHY_AND_WHO }),
  CircuitCommand: object({ state: oneOf(CIRCUIT_COMMANDS), ...WHY_AND_WHO }),
  ForcedCircuit: object({
    service_name: text(),
    instance_id: orNull(text('Null: the service as a whole.')),
    state: oneOf(CIRCUIT_COMMANDS),
  }),
  JournalEntry: object({
    id: text('Later entries have greater ids, in the order of strings.'),
    at: moment(),
    type: text('The type of the event.'),
    severity: oneOf(['info', 'warning', 'error']),
    service_name: orNull(text()),
    instance_id: orNull(text()),
    process: orNull(text('The process that reports it, host:pid.')),
    caller: orNull(text('The service that this process registered first.')),
    text: text('The line of the log.'),
    by: orNull(text('Who did it, where an operator did.')),
    reason: orNull(text()),
    data: mapOf(true, 'The fields of the line.'),
  }),
  ProcessReport: object({
    version: integer('1.'),
    reporter: text('A random text.'),
    process: text('host:pid.'),
    service_name: text('A service that the process registered.'),
    steps: {
      ...list(
        object({
          step: integer('The number of the step of 10 s since the Unix epoch.'),
          calls: list(
            object({
              service_name: text(),
              'calls?': integer(),
              'errors?': integer(),
              'retries?': integer(),
              'hedges?': integer(),
              'shed?': integer(),
              'queued?': integer(),
              latencies: list(integer(), BUCKETS),
            }),
          ),
          'instances?': {
            ...list(
              object({
                service_name: text(),
                instance_id: text(),
                'calls?': integer(),
                'errors?': integer(),
                latencies: list(integer(), BUCKETS),
              }),
            ),
            maxItems: 6,
          },
        }),
      ),
      maxItems: 6,
    },
    entries: { ...list(reference('JournalEntry')), maxItems: 50 },
    'dropped?': integer('Entries that were dropped before they could be sent.'),
  }),
  Journal: object({
    entries: list(reference('JournalEntry'), 'The newest first.'),
    next: orNull(text('The `before` of the page with older entries; null: there are none.')),
  }),
  CallFigures: object({
    step_seconds: integer(),
    from: moment(),
    edges: list(
      object({
        caller: text('A service, or a process that registered none.'),
        service_name: text(),
        points: list(
          object({
            at: moment('When the step began.'),
            calls: integer(),
            errors: integer(),
            retries: integer(),
            hedges: integer(),
            shed: integer('Refused before they were sent.'),
            queued: integer('Waited for a slot when the step ended.'),
            ...latencies,
          }),
          'Steps without calls are left out.',
        ),
        retry_budget: orNull(number('The share that is left, 0 to 1, in the process that answers.')),
      }),
    ),
    instances: list(
      object({
        instance_id: text(),
        calls: integer('Calls, and attempts that another instance followed up.'),
        errors: integer(),
        p95_ms: latencies.p95_ms,
        share: orNull(number('Its share of the calls to all instances, 0 to 1; null: there were none.')),
        weight_share: orNull(
          number('Its share of the weights of those that may be called now, 0 to 1; null: it is not registered.'),
        ),
      }),
      'With `service`: its instances, from all callers, in slots of 5 minutes.',
    ),
  }),
  Topology: object({
    nodes: list(
      object({
        service_name: text(),
        status: oneOf([...AGGREGATED_STATUSES, 'not_registered']),
        instances: integer(),
        healthy_instances: integer(),
        tier: orNull(text()),
        since: orNull(moment('When the status of one of its instances last changed.')),
        tags: list(text()),
        zones: list(text()),
        versions: list(text()),
        expiry_held: flag('Whether its instances do not expire, since too many miss their heartbeats at once.'),
      }),
    ),
    edges: list(
      object({
        from: text(),
        to: text(),
        source: oneOf(['calls', 'declared', 'both']),
        calls_per_second: orNull(number()),
        error_share: orNull(number()),
        ...latencies,
      }),
      'Figures of the last minute; null without calls.',
    ),
    faults,
  }),
  Scaling: object({
    service_name: text(),
    in_flight: number('Calls in progress on average, those that wait or are repeated included.'),
    calls_per_second: number(),
    p99_ms: number('0 without calls.'),
    queued: number('How many calls waited for a slot of a bulkhead or of the adaptive concurrency limit, on average.'),
  }),
  ScrapeTargets: list(
    object({
      targets: list(text(), 'One address, as host:port.'),
      labels: mapOf(
        text(),
        '__meta_service_discovery_ service, instance, version, zone, tier, tags (with a comma on either side), status; __scheme__ with https, __metrics_path__ where `metadata.metrics_path` is a path.',
      ),
    }),
  ),
  Overview: object({
    registry: object({
      mode: text(),
      connected: flag(),
      age_seconds: integer(),
      replicas: orNull(integer('Processes that hold the registry; null: unknown.')),
      held_expiry: list(object({ service_name: text(), since: moment(), overdue: integer(), total: integer() })),
    }),
    counts: object({
      services: integer(),
      healthy_services: integer(),
      degraded_services: integer(),
      unhealthy_services: integer(),
      instances: integer(),
      healthy_instances: integer(),
    }),
    faults,
    forced_circuits: list(
      object({
        service_name: text(),
        instance_id: orNull(text('Null: the service as a whole.')),
        state: forcedCircuit,
        since: orNull(moment()),
        by: orNull(text()),
        reason: orNull(text()),
      }),
      'Circuits that an operator holds open or closed, for the calls of the process that answers; since, by and reason are null where the journal does not say.',
    ),
    rights: object({ operate: flag('Whether there is a service that the caller may operate.') }),
    process: text('The process that answers, host:pid.'),
  }),
  Ejections: object({ ejections: list(mapOf(true)), total: integer() }),
  Explanation: {
    ...mapOf(true),
    properties: { service_name: text(), instances: list(mapOf(true)) },
    required: ['service_name', 'instances'],
  },
  Pipeline: object({ service_name: text(), stages: list(mapOf(true), 'The outermost first.') }),
} as const satisfies Record<string, Schema>;
