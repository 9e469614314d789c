import { HASH_STRATEGIES, LOAD_STRATEGIES } from '../../balancing/index.js';
import { counted, suggestNear } from '../../common/index.js';
import {
  byReason,
  circuitsIn,
  type DoctorProblem,
  ids,
  isHealthy,
  leftOutAt,
  mendCircuit,
  mendStatus,
  overdue,
  refusedHere,
  share,
  leftBy,
  strategyIn,
  takenOut,
  told,
} from './questions.js';

/**
 * The four problems of service discovery, each as a list of questions to ask in this order. `docs/troubleshooting.md` is
 * made of them (`npm run generate:troubleshooting`), and `nest-service-discovery doctor` asks them.
 */
export const PROBLEMS: readonly DoctorProblem[] = [
  {
    id: 'discovery',
    title: 'Service not discovered',
    intro:
      'A call fails with `SERVICE_NOT_FOUND` or `NO_AVAILABLE_INSTANCE`, `discoverService` returns `null`, or `discover` answers 404 or 503.',
    questions: [
      {
        title: 'Is it registered?',
        saw: ({ view, names, url }) =>
          view
            ? `yes, with ${counted(view.total_instances, 'instance')} at ${url}`
            : `no; ${counted(names.length, 'service')} registered at ${url}`,
        how: '`curl $B/services`',
        findings: [
          {
            see: 'an `Age` header on the answer',
            found: ({ registry }) =>
              registry.connected ? undefined : `the registry is away, and the state ${registry.age_seconds} s old`,
            why: 'The registry is away; this is the last known state, so many seconds old.',
            cure: 'Bring the registry back; see [what the log says](#error-messages).',
          },
          {
            see: 'nothing, and `instance.expired` in `curl "$B/journal?service=user-service"`',
            found: (e) => leftBy(e, 'instance.expired'),
            why: 'Nothing renewed its lease: the process ended without deregistering, stands still, or cannot reach the registry.',
            cure: 'Look at that process and at the network between it and the registry. If it runs, it registers again by itself.',
          },
          {
            see: 'a name that is nearly the same',
            found: ({ view, service, names }) => {
              const near = view ? '' : suggestNear(service, names);
              return near === '' ? undefined : `there is no "${service}"${near}`;
            },
            why: 'Names are exact: `user-service` is not `users`.',
            cure: 'Use the registered name.',
          },
          {
            see: 'the list is empty, though services run',
            found: ({ names }) => (names.length === 0 ? 'no service at all is registered' : undefined),
            why: 'This process reads another registry or namespace.',
            cure: 'Compare the line that each of both processes logs at its start, `Registry: http://registry:3000 (remote); …`: where they differ, so do `SERVICE_DISCOVERY_MODE`, `_REGISTRY_URL`, `_REDIS_URL` or `_NAMESPACE`. With no settings each process is a registry of its own (`memory_only`).',
          },
          {
            see: 'nothing, and `instance.deregistered` in the journal',
            found: (e) => leftBy(e, 'instance.deregistered'),
            why: 'It ended and deregistered, or a client of the REST API removed it.',
            cure: 'Start it again.',
          },
          {
            see: 'the name is missing',
            found: ({ view, service }) => (view ? undefined : `"${service}" is not registered`),
            why: 'The service has not registered here.',
            cure: 'Look into the log of the service itself: it says whether it tried to register, and what failed (question 2).',
            leadsOn: true,
          },
        ],
      },
      {
        title: 'Did the service try?',
        how: 'Look in its own log.',
        findings: [
          {
            see: '`… registered at http://…`',
            why: 'It registered, so it reads another registry than you (see 1), or has expired since (see 3).',
            cure: '',
          },
          {
            see: 'nothing',
            why: 'The app does not import the module (each app of a monorepo has to: the decorator alone does nothing, and cannot warn), `@DiscoverableService()` is on a class that is not a provider, controller or module of the app, or the app never listens: it registers when its server listens.',
            cure: 'Import `ServiceDiscoveryModule`, call `app.listen()`.',
          },
          {
            see: '`… is not registered: no server listens at a TCP port`',
            why: 'An application context, or a microservice over Redis, NATS, MQTT, RabbitMQ or Kafka: nothing can be called at a port.',
            cure: 'Give the decorator `host` and `port` where something else listens, or do without. TCP and gRPC register by themselves.',
          },
          {
            see: 'a hold: `ServiceReadiness` is waiting',
            why: 'The app holds its registration until it is ready.',
            cure: 'See `GET /health/ready` of the app for the reasons.',
          },
          {
            see: '`REGISTRY_UNAVAILABLE`',
            why: 'The registry cannot be reached; the app goes on trying.',
            cure: 'Check the URL and the network.',
          },
          {
            see: '401 or 403 from the API, such as from `/register`',
            why: 'The registry lets other machines in with its token or its guard only.',
            cure: 'Set `SERVICE_DISCOVERY_TOKEN` to the same value on both sides.',
          },
        ],
      },
      {
        title: 'Is it still registered?',
        saw: ({ instances }) =>
          instances
            .map(
              (one) =>
                `${one.instance_id}: renewed by ${one.lease}, every ${one.ttl} s at most; last at ${one.last_heartbeat}`,
            )
            .join('\n'),
        how: '`curl $B/services/user-service`: `lease` says what keeps an instance, `last_heartbeat` and `ttl` when it would run out.',
        findings: [
          {
            see: 'it appears and is gone after `ttl` seconds',
            found: (e) => ids(overdue(e, 'heartbeat'), 'no heartbeat for more than half of its ttl'),
            why: '`"lease": "heartbeat"`, and no heartbeat arrives.',
            cure: 'Send `PUT …/heartbeat` at least three times per `ttl`, or register without `ttl`, so that passing health checks keep it.',
          },
          {
            see: 'it is gone though the process runs',
            found: (e) => ids(overdue(e, 'checks'), 'no check has passed for more than half of its ttl'),
            why: '`"lease": "checks"`, and its checks fail for longer than `ttl`.',
            cure: 'See [Health checks failing](#health-checks-failing).',
            leadsOn: true,
          },
        ],
      },
      {
        title: 'May an instance of it be called?',
        saw: (e) => {
          const { explanation, instances } = e;
          const taken = explanation?.instances.filter((one) => one.taken).length;
          const count = taken === undefined ? 'not known' : `${taken} of ${instances.length} would take a call`;
          return [count, takenOut(e)].filter(Boolean).join('\n');
        },
        how: '`curl "$B/explain/user-service?version=^1.2&tag=api"`, with the version and tags that you ask for. Each instance has `taken`, and if that is `false`, the `stage` and `reason`.',
        sees: '`stage`',
        findings: [
          {
            see: '`version`, `tags`',
            found: (e) => leftOutAt(e, ['version', 'tags']),
            why: 'It does not match what you ask for. An instance without `version` matches no range.',
            cure: 'Correct the criteria or the registration.',
          },
          {
            see: '`status`',
            found: (e) => leftOutAt(e, ['status']),
            mend: (e) => mendStatus(e),
            why: 'It is unhealthy, draining, in maintenance, or of weight 0.',
            cure: '`reasons` in `/services/user-service` names the source, `operator.acted` in the journal who took it out and why. `PUT …/status {"status": "up"}` ends maintenance.',
          },
          {
            see: '`protocol`',
            found: (e) => leftOutAt(e, ['protocol']),
            why: 'It speaks another protocol than HTTP, such as `redis`, or `http` where an `https:` URL or `criteria.protocol` asks for `https`.',
            cure: 'Look its address up with `discoverService()`; register it with `https`, or ask for `http`.',
          },
          {
            see: '`refusal`',
            found: (e) => leftOutAt(e, ['refusal']),
            mend: (e) => mendCircuit(e),
            why: 'Its circuit is open, or it has as many calls as `concurrency` allows.',
            cure: 'See [Circuit breaker always open](#circuit-breaker-always-open).',
            leadsOn: true,
          },
          {
            see: '`avoid`',
            found: (e) => leftOutAt(e, ['avoid']),
            why: 'It is ejected as an outlier, or no connection to it could be opened.',
            cure: '`curl $B/ejections`',
          },
          {
            see: 'none, `taken: true` and `fail_open: true`',
            found: ({ explanation }) => (explanation?.fail_open ? 'no instance is healthy' : undefined),
            why: 'All are unhealthy. Calls still go to them, but lookups (`discover`, `discoverService`) return healthy and unchecked instances only.',
            cure: 'See [Health checks failing](#health-checks-failing).',
            leadsOn: true,
          },
        ],
      },
    ],
  },
  {
    id: 'health',
    title: 'Health checks failing',
    intro: 'An instance is `unhealthy`, and `reasons` has an entry with `"source": "active"`.',
    questions: [
      {
        title: 'What does the check see?',
        saw: ({ instances }) =>
          instances
            .map(
              (one) =>
                `${one.instance_id}: ${one.status}${one.health?.reason === undefined ? '' : `, ${one.health.reason}`}`,
            )
            .join('\n'),
        how: '`curl $B/services/user-service`: `health.reason`, `health.status_code`, `health.checked_at`; `…/instances/:id/history` has the last changes.',
        sees: '`reason`',
        findings: [
          {
            see: '`status 404 at /health`',
            found: (e) => byReason(e, /status 404/),
            why: 'There is no such route.',
            cure: 'Register the right `health_check_path`; one that starts with `/` is taken from the root of the host, not below `path`.',
          },
          {
            see: '`status 401 …`, `status 403 …`',
            found: (e) => byReason(e, /status 40[13]/),
            why: 'A guard of the app refuses the check. The app warns of it when it starts.',
            cure: "`health: { decorators: [Public()] }` in the app ([health.md](health.md#behind-a-global-guard)), or give the check a path and headers where it is made: `healthCheck: { services: { '<name>': { path, headers } } }`.",
          },
          {
            see: '`status 503 …`',
            found: (e) => byReason(e, /status 5\d\d/),
            why: 'The service says itself that it is not ready.',
            cure: 'The body is in `health.data`.',
          },
          {
            see: '`status 301 …`, `302`',
            found: (e) => byReason(e, /status 3\d\d/),
            why: 'Redirects are not followed.',
            cure: 'Register the address that answers; set `"protocol": "https"` if it redirects there.',
          },
          {
            see: '`connection refused`',
            found: (e) => byReason(e, /connection refused/),
            why: 'No process listens at this host and port.',
            cure: 'Compare with where the service listens: in a container, `127.0.0.1` is the container itself; set `advertise: { host, port }`. See [Registered as 127.0.0.1](#registered-as-127001).',
          },
          {
            see: '`timed out after … ms`, `connection timed out`',
            found: (e) => byReason(e, /timed out/),
            why: 'It is too slow, or packets are dropped.',
            cure: 'Go on with 2 and 3.',
            leadsOn: true,
          },
          {
            see: '`host name not found`',
            found: (e) => byReason(e, /host name not found/),
            why: 'The registered host is a name that the checking process cannot resolve.',
            cure: 'Register an address, or a name that is valid for all.',
          },
          {
            see: '`connection closed before the answer was complete`, `the answer is not HTTP`, `the server does not speak TLS`',
            found: (e) => byReason(e, /connection closed|not HTTP|not speak TLS/),
            why: 'Something else listens there, or it speaks another protocol.',
            cure: 'Register the right port and `protocol`.',
          },
          {
            see: '`the certificate …`',
            found: (e) => byReason(e, /certificate/),
            why: 'The check is made over TLS, and does not trust the certificate.',
            cure: '`healthCheck: { tls: { ca } }`',
          },
          {
            see: '`skipped` in the event `health.checked`',
            why: 'The check cannot be made, or the status is in neither list.',
            cure: 'The log has a warning that says why.',
          },
        ],
      },
      {
        title: 'Can the checker reach it?',
        saw: ({ reach }) => [...reach].map(([id, { says }]) => `${id}: ${says}, from this machine`).join('\n'),
        how: "The registry's process checks, over Redis any one of the processes: not yours. From that machine: `curl -v http://<host>:<port>/health`. If that hangs, it is the network: a firewall, a network policy, or an address that is valid elsewhere only.",
        findings: [
          {
            see: '`ECONNREFUSED`, though it is `healthy`',
            found: (e) => refusedHere(e),
            why: 'No process listens there, as seen from this machine: it has just ended, and the next check will find that out; or the address means another machine here.',
            cure: 'Start it again. If it runs, ask from the machine that checks it.',
            leadsOn: true,
          },
        ],
      },
      {
        title: 'Is the timeout long enough?',
        how: '`health.latency_ms` near `healthCheck.timeout` (10 s) means that it is not: an endpoint that asks databases is slow when they are. Check readiness of the process, not of everything behind it. An instance falls after `fall` (3) failures in a row and rises after `rise` (2) successes, which come `changingInterval` (3 s) apart.',
      },
      {
        title: 'Is it healthy, and does not answer?',
        how: '`health_check_path: null` means that only its port is checked. If you did not ask for that, the app found at its start that its readiness route refuses checks, and has warned of it.',
      },
      {
        title: 'Do calls still work?',
        saw: ({ explanation }) =>
          explanation?.fail_open ? 'yes: calls go to the unhealthy ones' : 'calls go to the healthy ones',
        how: 'While no instance of a service is healthy, calls go to the unhealthy ones (`failOpen`), so a wrong check does not stop your traffic. `explain` shows it.',
      },
    ],
  },
  {
    id: 'circuit',
    title: 'Circuit breaker always open',
    intro: 'Calls fail with `CIRCUIT_OPEN`, or an instance gets no calls.',
    questions: [
      {
        title: 'Which circuit, and why?',
        saw: ({ circuits, url }) =>
          circuits.length === 0
            ? `${url} has none: it made no calls to it`
            : circuits
                .map((one) => `${one.instance_id ?? 'the service'}: ${one.state}, ${counted(one.failures, 'failure')}`)
                .join('\n'),
        how: '`curl $B/circuit-breakers`, in the process that calls.',
        findings: [
          {
            see: '`"state": "isolated"`',
            found: (e) => circuitsIn(e, ({ state }) => state === 'isolated'),
            mend: (e) => mendCircuit(e),
            why: 'An operator isolated it by hand.',
            cure: '`curl -X PUT $B/circuit-breakers/user-service/instances/<id> -H \'content-type: application/json\' -d \'{"state": "automatic"}\'`',
          },
          {
            see: '`"state": "open"` and a time until it lets calls through',
            found: (e) => circuitsIn(e, ({ state }) => state === 'open' || state === 'half_open'),
            why: 'It opened after failures, and waits for `recoveryTimeout`.',
            cure: 'Go on with 2.',
            leadsOn: true,
          },
          {
            see: 'it opens again and again',
            why: 'The probe that it lets through fails as well.',
            cure: 'The service still fails: go on with 2.',
          },
          {
            see: '`"held_closed": true`',
            found: (e) => circuitsIn(e, ({ held_closed: held }) => held),
            why: "It would be open, but [half of the service's circuits](resilience.md#how-many-circuits-open) are already.",
            cure: 'The service fails as a whole: go on with 2.',
            leadsOn: true,
          },
          {
            see: 'no circuit is listed',
            why: 'The circuit is closed, or belongs to another process.',
            cure: 'Ask the process whose calls fail.',
          },
        ],
      },
      {
        title: 'What fails?',
        saw: (e) => {
          const last = told(e, ['call.completed', 'circuit.opened'], 3);
          return last ? `the last of the journal:\n${last}` : `no failed call in the journal of ${e.url}`;
        },
        how: '`curl "$B/journal?service=user-service"`, or the log: `circuit.opened` has the number of failures and the reason, `call.completed` the request, the status or code, and the instance of each failed call: `GET /users/42 of user-service failed after 2 attempts in 31 ms: 503 from user-service-1 (10.0.0.7:3000)`. Failures are 5xx, timeouts and broken connections. A 4xx counts for no circuit.',
        sees: 'code',
        findings: [
          { see: '`RESPONSE_STATUS` 5xx', why: 'The service answers with errors.', cure: 'Look in its log.' },
          {
            see: '`ATTEMPT_TIMEOUT`, `DEADLINE_EXCEEDED`',
            why: 'It answers too slowly for `attemptTimeout` or `timeout`.',
            cure: 'Compare them with its real latency: `call_duration_seconds` in the [metrics](reference/metrics.md).',
          },
          {
            see: '`TRANSPORT_FAILURE`',
            found: (e) =>
              circuitsIn(
                e,
                ({ state, instance_id: id }) => state === 'open' && e.reach.get(id ?? '')?.connects === false,
              ),
            why: 'It cannot be reached.',
            cure: 'See [Health checks failing](#health-checks-failing), 1 and 2.',
          },
        ],
      },
      {
        title: 'Do the settings fit?',
        how: "`curl $B/pipeline/user-service` shows the circuit's settings in force, whichever of defaults, environment and pattern they came from; for `withOptions()`, ask `own.describePipeline('user-service')` in code. Five failures in a row open it (`failureThreshold`), for 60 s (`recoveryTimeout`). A service that is called rarely and fails often wants a `failureRate`; see [resilience.md](resilience.md#circuit-breakers).",
      },
      {
        title: 'Has it recovered?',
        how: 'When health checks find an instance healthy again, its circuit lets a probe through at once, and a process that registers again starts with a closed circuit.',
        findings: [
          {
            see: 'the circuit stays open although checks pass',
            why: 'The checked route works, and the called one does not.',
            cure: 'Look at the failed calls in the log of the caller and of the service, and let the health check ask what calls need.',
            found: (e) => circuitsIn(e, ({ state, instance_id: id }) => state === 'open' && isHealthy(e, id)),
          },
        ],
      },
    ],
  },
  {
    id: 'balancing',
    title: 'Load balancing not working',
    intro: 'All calls go to one instance, or one gets none.',
    questions: [
      {
        title: 'Is there more than one?',
        saw: ({ view }) => counted(view?.total_instances ?? 0, 'instance'),
        how: '`curl $B/services/user-service`: `total_instances`',
        findings: [
          {
            see: '1, though several run',
            why: 'Two processes that register with the same `instance_id` replace each other.',
            cure: 'Leave the id out, or make it different for each.',
            found: ({ view }) => (view?.total_instances === 1 ? 'one instance takes all calls' : undefined),
            byDesign: true,
          },
        ],
      },
      {
        title: 'May they all take calls?',
        saw: ({ explanation }) =>
          (explanation?.instances ?? [])
            .map(
              (one) =>
                `${one.instance_id}: ${one.taken ? 'takes calls' : `${one.stage}: ${one.reason}`}, weight ${one.weight}`,
            )
            .join('\n'),
        how: '`curl $B/explain/user-service`: `taken`, `stage`, `reason` of each.',
        findings: [
          {
            see: 'some are `unhealthy`',
            found: (e) => leftOutAt(e, ['status'], { some: true }),
            why: 'They get no calls while another is healthy.',
            cure: 'See [Health checks failing](#health-checks-failing).',
            leadsOn: true,
          },
          {
            see: '`stage: "avoid"`, `"refusal"`',
            why: 'It is ejected as an outlier, no connection to it could be opened, or its circuit is open.',
            cure: 'See [Circuit breaker always open](#circuit-breaker-always-open), and `curl $B/ejections`.',
            leadsOn: true,
            found: (e) => leftOutAt(e, ['avoid', 'refusal'], { some: true }),
          },
          {
            see: '`stage: "unchecked"`',
            found: (e) => leftOutAt(e, ['unchecked'], { some: true }),
            why: 'They have not been checked yet, and come behind those that were found healthy.',
            cure: 'Wait for the first check (within a second), or see why it was skipped.',
          },
          {
            see: '`slow_start` below 1',
            found: ({ explanation }) =>
              ids(
                (explanation?.instances ?? []).filter(({ slow_start: part }) => part < 1),
                'in slow start',
              ),
            byDesign: true,
            why: 'A new instance gets its share gradually.',
            cure: 'This is `slowStart`.',
          },
          {
            see: '`stage: "zone"`, `"priority"`, `"version_weights"`, `"subset"`',
            found: (e) => leftOutAt(e, ['zone', 'priority', 'version_weights', 'subset'], { some: true }),
            byDesign: true,
            why: 'Calls prefer the others as you configured.',
            cure: 'See [balancing.md](balancing.md).',
          },
          {
            see: 'different `weight`',
            found: ({ instances }) =>
              new Set(instances.map(({ weight }) => weight)).size > 1
                ? instances.map(({ instance_id: id, weight }) => `${id}: ${weight}`).join(', ')
                : undefined,
            byDesign: true,
            why: 'Shares follow the weights in every weighted strategy.',
            cure: 'Register equal weights.',
          },
        ],
      },
      {
        title: 'Which strategy is in force?',
        saw: ({ explanation }) =>
          explanation
            ? `${explanation.strategy}${explanation.goes_by === undefined ? '' : `, by ${explanation.goes_by}`}`
            : 'not known',
        how: '`strategy` and `goes_by` of the same answer.',
        sees: '`strategy`',
        findings: [
          {
            see: namesOf(HASH_STRATEGIES),
            why: 'Equal keys go to one instance, on purpose; behind a proxy all calls may have the same client address.',
            cure: 'Give the key that you mean, or choose another strategy.',
            found: (e) => strategyIn(e, HASH_STRATEGIES),
            byDesign: true,
          },
          {
            see: namesOf(LOAD_STRATEGIES),
            why: 'Slower instances get fewer calls. With `round_robin` shares are equal.',
            cure: 'Choose `round_robin` if equal shares matter more than latency.',
            found: (e) => strategyIn(e, LOAD_STRATEGIES),
            byDesign: true,
          },
        ],
      },
      {
        title: 'How are calls really spread?',
        saw: (e) => share(e),
        how: "`sum by (instance) (rate(service_discovery_balancing_decisions_total{service=\"user-service\"}[5m]))`; or `logging: { levels: { 'call.picked': 'debug' } }`, which logs picks. A client that keeps one long call open (a stream) is one pick, however much it transfers.",
      },
      {
        title: 'Is it really this library that calls?',
        how: "A URL with the instance's host and port, or an `HttpService` from `HttpModule` instead of `DiscoveryHttpModule`, goes past it.",
      },
    ],
  },
];

function namesOf(strategies: readonly string[]): string {
  return strategies.map((name) => `\`${name}\``).join(', ');
}
