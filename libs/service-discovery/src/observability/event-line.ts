import { counted, durationText, type ErrorCode, oneLine, type TlsUse, withoutUndefined } from '../common/index.js';
import {
  baseUrlOf,
  keyOf,
  type CircuitReason,
  type EventName,
  type InstanceKey,
  type ServiceDiscoveryEvent,
  statusInWords,
} from '../model/index.js';
import { type EventOf } from './event-bus.js';
import { causeOf, placeOf, subjectOf } from './event-subject.js';

/** In ascending order of severity, with the names of Nest's logger. */
export type LogLevel = 'debug' | 'log' | 'warn' | 'error';

/** One event as a log line. */
export interface EventLine {
  readonly level: LogLevel;
  /** Lines with the same subject and type are repeats of each other. */
  readonly subject: string;
  /** A sentence for people, without a full stop. */
  readonly message: string;
  /** The same for machines. Contains no metadata and no bodies, so it holds no secrets. */
  readonly fields: Readonly<Record<string, unknown>>;
}

type Draft = Omit<EventLine, 'subject' | 'fields'> & { readonly fields: Record<string, unknown> };

/** Creates the log line of an event. */
export function lineOf(event: ServiceDiscoveryEvent): EventLine {
  const subject = subjectOf(event);
  const draft = draftOf(event);
  // Reasons may come from other processes and from clients of the API.
  const message = oneLine(draft.message);
  const { type, requestId, traceId, spanId } = event;
  const fields = withoutUndefined({ ...draft.fields, requestId, traceId, spanId });
  return { ...draft, message, subject, fields: { event: type, ...fields } };
}

/** The message for readers of text, with the ids that readers of fields find there. */
export function withIds(message: string, { requestId, traceId }: EventLine['fields']): string {
  const ids: string[] = [];
  if (typeof requestId === 'string') ids.push(`request ${requestId}`);
  if (typeof traceId === 'string') ids.push(`trace ${traceId}`);
  return ids.length === 0 ? message : `${message} (${ids.join(', ')})`;
}

function draftOf(event: ServiceDiscoveryEvent): Draft {
  switch (event.type) {
    case 'instance.registered': {
      const { instance, replaced } = event;
      const url = baseUrlOf(instance);
      return {
        level: 'log',
        message: `${keyOf(instance)} ${replaced ? 'registered again' : 'registered'} at ${url}`,
        fields: {
          ...labels(instance),
          url,
          version: instance.version,
          generation: instance.generation,
          ttlMs: instance.ttlMs,
        },
      };
    }
    case 'instance.deregistered':
      return { level: 'log', message: `${keyOf(event.key)} deregistered`, fields: labels(event.key) };
    case 'instance.expired':
      return {
        level: 'warn',
        message: `${keyOf(event.key)} expired: its heartbeats stopped`,
        fields: labels(event.key),
      };
    case 'instance.status_changed': {
      const { key, from, to, reason } = event;
      return {
        level: to === 'unhealthy' ? 'warn' : 'log',
        message: `${keyOf(key)} is ${statusInWords(to)}, was ${statusInWords(from)}${because(reason)}`,
        fields: { ...labels(key), from, to, reason },
      };
    }
    case 'instance.flapping':
      return {
        level: 'warn',
        message: `${keyOf(event.key)} is flapping and now ${event.status}: its health check results keep changing`,
        fields: { ...labels(event.key), status: event.status },
      };
    case 'instance.settled':
      return {
        level: 'log',
        message: `${keyOf(event.key)} stopped flapping and is ${statusInWords(event.status)}`,
        fields: { ...labels(event.key), status: event.status },
      };
    case 'instance.ejected': {
      const { key, reason, evidence, ejectedForMs, ejections, enforced } = event;
      const verb = enforced === false ? 'would be' : 'is';
      return {
        level: 'warn',
        message: `${keyOf(key)} ${verb} ejected for ${durationText(ejectedForMs)}: ${evidence}`,
        fields: { ...labels(key), reason, evidence, ejectedForMs, ejections, enforced },
      };
    }
    case 'instance.readmitted': {
      const { key, enforced } = event;
      const verb = enforced === false ? 'would be' : 'is';
      return { level: 'log', message: `${keyOf(key)} ${verb} readmitted`, fields: { ...labels(key), enforced } };
    }
    case 'instance.unreachable': {
      const { key, reason, avoidedForMs, failures } = event;
      return {
        level: 'warn',
        message: `${keyOf(key)} is unreachable and avoided for ${durationText(avoidedForMs)}: ${reason}`,
        fields: { ...labels(key), reason, avoidedForMs, failures },
      };
    }
    case 'instance.reached':
      return { level: 'log', message: `${keyOf(event.key)} is reachable again`, fields: labels(event.key) };
    case 'instance.loopback': {
      const { key, host, reason } = event;
      return { level: 'warn', message: `${keyOf(key)} is ${reason}`, fields: { ...labels(key), host, reason } };
    }
    case 'health.checked': {
      const { key, passed, skipped, misconfigured, detail } = event;
      const outcome = skipped ? 'was skipped' : passed ? 'passed' : 'failed';
      return {
        level: misconfigured ? 'warn' : 'debug',
        message: `Health check of ${keyOf(key)} ${outcome}${because(detail.reason)}`,
        fields: {
          ...labels(key),
          passed,
          skipped,
          misconfigured,
          statusCode: detail.statusCode,
          latencyMs: detail.latencyMs,
          reason: detail.reason,
        },
      };
    }
    case 'expiry.held': {
      const { service, since, overdue, total } = event;
      return {
        level: 'warn',
        message: `Expiry of ${service} is held: ${overdue} of ${counted(total, 'instance')} ${overdue === 1 ? 'misses' : 'miss'} heartbeats`,
        fields: { service, since, overdue, total },
      };
    }
    case 'expiry.resumed': {
      const { service } = event;
      return { level: 'log', message: `Expiry of ${service} is resumed`, fields: { service } };
    }
    case 'lease.recovered':
      return {
        level: 'warn',
        message: `The lease of ${keyOf(event.key)} was lost; it has been registered again`,
        fields: labels(event.key),
      };
    case 'registry.unavailable':
      return {
        level: 'warn',
        message: `The registry is unavailable; ${event.hasSnapshot ? 'the last snapshot is served' : 'no service is known yet'}${because(event.reason)}`,
        fields: { reason: event.reason, hasSnapshot: event.hasSnapshot },
      };
    case 'registry.available':
      return {
        level: 'log',
        message: `The registry is available again after ${durationText(event.downMs)}`,
        fields: { downMs: event.downMs },
      };
    case 'registry.writes_refused':
      return {
        level: 'warn',
        message: `The registry refuses writes, so registrations and heartbeats fail${because(event.reason)}`,
        fields: { reason: event.reason },
      };
    case 'registry.writes_accepted':
      return {
        level: 'log',
        message: `The registry accepts writes again after ${durationText(event.refusedMs)}`,
        fields: { refusedMs: event.refusedMs },
      };
    case 'registry.trouble': {
      const { kind, service, instanceId, reason } = event;
      const place = placeOf(service, instanceId);
      return {
        level: 'warn',
        message: `Registry trouble${place && ` (${place})`}: ${reason}`,
        fields: { kind, service, instance: instanceId, reason },
      };
    }
    case 'registry.offline':
      return {
        level: 'warn',
        message: 'The registry is unavailable; changes are queued in this process',
        fields: {},
      };
    case 'registry.reconciled': {
      const { applied, superseded, gone, expired } = event;
      const dropped = `${superseded} superseded, ${gone} of instances that are gone, ${expired} expired`;
      return {
        level: 'log',
        message: `Queued changes were sent to the registry: ${applied} applied; dropped: ${dropped}`,
        fields: { applied, superseded, gone, expired },
      };
    }
    case 'api.limit_reached': {
      const { limit, option, max, caller } = event;
      return {
        level: 'warn',
        message: `The limit ${option} (${max}) is reached: requests${caller === undefined ? '' : ` of the caller ${caller}`} are refused`,
        fields: { limit, option, max, caller },
      };
    }
    case 'api.refused': {
      const { action, reason, caller, service, instanceId, message } = event;
      const fields = { action, reason, caller, service, instanceId };
      return { level: 'warn', message: `A request was refused. ${message}`, fields };
    }
    case 'operator.acted': {
      const { service, instanceId, action, to, by, reason } = event;
      const place = placeOf(service, instanceId);
      const what = `set ${WHAT_IS_SET[action]}${place} to ${to}`;
      return {
        level: 'log',
        message: `${by} ${what}${because(reason)}`,
        fields: { service, instance: instanceId, action, to, by, reason },
      };
    }
    case 'rollout.moved': {
      const { service, version, state, share, reason } = event;
      const what = WHAT_ROLLOUTS_DO[state];
      return {
        level: state === 'rolled_back' ? 'error' : 'log',
        message: `The rollout of ${service} to ${version} ${what}: ${share} % of the calls go to that version${because(reason)}`,
        fields: { service, version, state, share, reason },
      };
    }
    case 'rollout.taken_over': {
      const { service, version, from } = event;
      const message = `This process moves the rollout of ${service} to ${version} from now on, since ${from} shows no sign of life`;
      return { level: 'warn', message, fields: { service, version, from } };
    }
    case 'circuit.opened': {
      const { reason, failures, retryAfterMs } = event;
      const why = WHY_OPENED[reason] ?? `after ${counted(failures, 'failure')}`;
      const until = retryAfterMs === undefined ? '' : `, next try in ${durationText(retryAfterMs)}`;
      return circuit(event, 'warn', `opened ${why}${until}`, { failures, retryAfterMs });
    }
    case 'circuit.half_opened':
      return circuit(event, 'log', 'is half-open and allows a trial call');
    case 'circuit.closed':
      return circuit(event, 'log', WHY_CLOSED[event.reason] ?? 'closed');
    case 'balancing.panic':
    case 'balancing.panic_ended': {
      const { service, healthyShare } = event;
      const share = `${Math.round(healthyShare * 100)}%`;
      const isPanic = event.type === 'balancing.panic';
      return {
        level: isPanic ? 'warn' : 'log',
        message: isPanic
          ? `Only ${share} of ${service} is healthy: calls also go to unhealthy instances`
          : `${share} of ${service} is healthy again: calls go only to healthy instances`,
        fields: { service, healthyShare },
      };
    }
    case 'balancing.fail_open': {
      const { service, unhealthy } = event;
      const ones = unhealthy === 1 ? 'an unhealthy one' : `its ${unhealthy} unhealthy ones`;
      return {
        level: 'warn',
        message: `No healthy instance of ${service} can be called: calls go to ${ones}`,
        fields: { service, unhealthy },
      };
    }
    case 'balancing.fail_open_ended': {
      const { service } = event;
      return { level: 'log', message: `Calls to ${service} no longer go to unhealthy instances`, fields: { service } };
    }
    case 'call.picked': {
      const { service, instanceId, strategy, attempt, failOpen } = event;
      const why = failOpen ? `${strategy}, unhealthy because no other is available` : strategy;
      return {
        level: 'debug',
        message: `Attempt ${attempt} of a call to ${service} goes to ${instanceId} (${why})`,
        fields: { service, instance: instanceId, strategy, attempt, failOpen },
      };
    }
    case 'call.split': {
      const { service, part, ok, durationMs } = event;
      const way = part === 'via' ? 'through the gateway' : 'directly';
      return {
        level: 'debug',
        message: `An attempt of a call to ${service} went ${way} and ${ok ? 'succeeded' : 'failed'}`,
        fields: { service, part, ok, durationMs },
      };
    }
    case 'call.passed_over': {
      const { service, instanceId, reason } = event;
      return {
        level: 'debug',
        message: `Call to ${service} passed over ${instanceId}${because(reason)}`,
        fields: { service, instance: instanceId, reason },
      };
    }
    case 'call.refused': {
      const { service, stage, code, retryAfterMs } = event;
      return {
        level: 'warn',
        message: `Call to ${service} was rejected before sending: ${code} by ${stage}`,
        fields: { service, stage, code, retryAfterMs },
      };
    }
    case 'call.retried': {
      const { service, attempt, delayMs, reason } = event;
      return {
        level: 'warn',
        message: `Call to ${service} is retried, attempt ${attempt}${because(reason)}`,
        fields: { service, attempt, delayMs, reason },
      };
    }
    case 'call.retry_budget_exhausted': {
      const { service, attempts, reason } = event;
      return {
        level: 'warn',
        message: `Call to ${service} is not retried, the retry budget is exhausted${because(reason)}`,
        fields: { service, attempts, reason },
      };
    }
    case 'call.hedged': {
      const { service, attempt, afterMs } = event;
      return {
        level: 'debug',
        message: `Call to ${service} is hedged by attempt ${attempt}: no answer after ${durationText(afterMs)}`,
        fields: { service, attempt, afterMs },
      };
    }
    case 'call.failed_over': {
      const { service, from, to, reason } = event;
      return {
        level: 'warn',
        message: `Call to ${service} failed over from ${from} to ${to}${because(reason)}`,
        fields: { service, from, to, reason },
      };
    }
    case 'call.answered_stale': {
      const { service, ageMs, reason } = event;
      return {
        level: 'warn',
        message: `Call to ${service} failed and got a stale answer, ${durationText(ageMs)} old${because(reason)}`,
        fields: { service, ageMs, reason },
      };
    }
    case 'tls.rotated': {
      const { use, certificate, validUntil } = event;
      const until = validUntil === undefined ? '' : `, valid until ${dateOf(validUntil)}`;
      const message = `The certificate for ${USES[use]} was rotated (${certificate})${until}`;
      return { level: 'log', message, fields: { use, certificate, validUntil } };
    }
    case 'tls.rotation_failed': {
      const { use, certificate, reason } = event;
      const message = `The certificate for ${USES[use]} (${certificate}) changed and cannot be used; the one before stays in use${because(reason)}`;
      return { level: 'warn', message, fields: { use, certificate, reason } };
    }
    case 'tls.expiring': {
      const { use, certificate, validUntil } = event;
      const message = `The certificate for ${USES[use]} (${certificate}) is valid only until ${dateOf(validUntil)}`;
      return { level: 'warn', message, fields: { use, certificate, validUntil } };
    }
    case 'call.completed': {
      const { service, instanceId, address, request, ok, status, code, attempts, durationMs } = event;
      const call = request === undefined ? `Call to ${service}` : `${request} of ${service}`;
      const effort = `after ${counted(attempts, 'attempt')}`;
      const failure = `failed ${effort} in ${durationText(durationMs)}: ${describeFailure(event)}`;
      return {
        level: ok ? 'debug' : 'warn',
        message: `${call} ${ok ? `succeeded ${effort}` : failure}`,
        fields: { service, instance: instanceId, address, request, ok, status, code, attempts, durationMs },
      };
    }
  }
}

/** What a call failed with, and where. */
function describeFailure(event: EventOf<'call.completed'>): string {
  const { instanceId, address, status, code } = event;
  if (instanceId === undefined) return causeOf(event);
  // An id that is made of the address says it already.
  const place = address === undefined || instanceId === address ? instanceId : `${instanceId} (${address})`;
  const isAnswer = code === undefined || code === ('RESPONSE_STATUS' satisfies ErrorCode);
  return isAnswer && status !== undefined
    ? `${status} from ${place}`
    : `${causeOf(event)}, the last attempt was at ${place}`;
}

const USES: Readonly<Record<TlsUse, string>> = {
  calls: 'calls',
  health_checks: 'health checks',
  registry: 'the remote registry',
};

function dateOf(epochMs: number): string {
  return new Date(epochMs).toISOString();
}

const WHAT_IS_SET: Readonly<Record<EventOf<'operator.acted'>['action'], string>> = {
  set_status: '',
  force_circuit: 'the circuit of ',
  set_share: 'the share of calls through the gateway of ',
  set_rollout: 'the rollout of ',
};

const WHAT_ROLLOUTS_DO: Readonly<Record<EventOf<'rollout.moved'>['state'], string>> = {
  running: 'goes on',
  completed: 'is complete',
  rolled_back: 'was rolled back',
  aborted: 'was aborted',
};

const WHY_OPENED: Partial<Record<CircuitReason, string>> = {
  failure_rate: 'because too many calls failed',
  slow_call_rate: 'because too many calls were slow',
  probe_failed: 'again because a trial call failed',
  probe_slow: 'again because a trial call was slow',
  isolated: 'manually',
};

const WHY_CLOSED: Partial<Record<CircuitReason, string>> = {
  forced_closed: 'is forced closed',
  max_open_share: 'closed although a trial call failed, because too many circuits of the service are open',
};

function circuit(
  event: {
    readonly type: EventName;
    readonly service: string;
    readonly instanceId?: string;
    readonly reason: CircuitReason;
  },
  level: LogLevel,
  what: string,
  fields: Record<string, unknown> = {},
): Draft {
  const { service, instanceId, reason } = event;
  return {
    level,
    message: `Circuit of ${placeOf(service, instanceId)} ${what}`,
    fields: { service, instance: instanceId, reason, ...fields },
  };
}

function labels({ serviceName, instanceId }: InstanceKey): Record<string, unknown> {
  return { service: serviceName, instance: instanceId };
}

function because(reason: string | undefined): string {
  return reason ? `: ${reason}` : '';
}
