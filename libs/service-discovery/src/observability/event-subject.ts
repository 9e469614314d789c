import { type ErrorCode } from '../common/index.js';
import { keyOf, type EventName, type InstanceKey, type ServiceDiscoveryEvent } from '../model/index.js';
import { type EventOf } from './event-bus.js';

type SubjectOf<Event> = (event: Event) => string;

const ofInstance: SubjectOf<{ readonly key: InstanceKey }> = ({ key }) => keyOf(key);
const ofService: SubjectOf<{ readonly service: string }> = ({ service }) => service;
const ofRegistry = (): string => '';
const ofCertificate: SubjectOf<{ readonly use: string; readonly certificate: string }> = ({ use, certificate }) =>
  `${use} ${certificate}`;

/**
 * What an event is about. Events of one type with the same subject are repeats of each other, except for state changes
 * (below). This runs for every logged event, so it builds no string for the most frequent ones: calls that succeed.
 */
const SUBJECTS: { readonly [Name in EventName]: SubjectOf<EventOf<Name>> } = {
  'instance.registered': ({ instance }) => keyOf(instance),
  'instance.deregistered': ofInstance,
  'instance.expired': ofInstance,
  'instance.status_changed': ofInstance,
  'instance.flapping': ofInstance,
  'instance.settled': ofInstance,
  'instance.ejected': ofInstance,
  'instance.readmitted': ofInstance,
  'instance.unreachable': ofInstance,
  'instance.reached': ofInstance,
  'instance.loopback': ofInstance,
  'health.checked': ({ key, passed, skipped, misconfigured }) =>
    `${keyOf(key)} ${misconfigured ? 'misconfigured' : skipped ? 'skipped' : passed}`,
  'expiry.held': ofService,
  'expiry.resumed': ofService,
  'lease.recovered': ofInstance,
  'registry.unavailable': ofRegistry,
  'registry.available': ofRegistry,
  'registry.writes_refused': ofRegistry,
  'registry.writes_accepted': ofRegistry,
  'registry.trouble': ({ kind, service, instanceId }) => `${placeOf(service, instanceId)} ${kind}`,
  'registry.offline': ofRegistry,
  'registry.reconciled': ofRegistry,
  'api.limit_reached': ({ limit }) => limit,
  // Not by caller or service: both may be made up, and each would get a line of its own.
  'api.refused': ({ action, reason }) => `${action} ${reason}`,
  'operator.acted': ({ service, instanceId, action, to }) => `${placeOf(service, instanceId)} ${action} ${to}`,
  'circuit.opened': ofCircuit,
  'circuit.half_opened': ofCircuit,
  'circuit.closed': ofCircuit,
  'balancing.panic': ofService,
  'balancing.panic_ended': ofService,
  'balancing.fail_open': ofService,
  'balancing.fail_open_ended': ofService,
  'call.passed_over': ({ service, instanceId }) => `${service} ${instanceId}`,
  'call.picked': ({ service, instanceId }) => `${service} ${instanceId}`,
  'rollout.moved': ofService,
  'rollout.taken_over': ofService,
  'call.split': ({ service, part }) => `${service} ${part}`,
  'call.refused': ({ service, stage }) => `${service} ${stage}`,
  'call.retried': ofService,
  'call.retry_budget_exhausted': ofService,
  'call.hedged': ofService,
  'call.failed_over': ofService,
  'call.answered_stale': ofService,
  'tls.rotated': ofCertificate,
  'tls.rotation_failed': ofCertificate,
  'tls.expiring': ofCertificate,
  'call.completed': (event) => (event.ok ? event.service : `${event.service} failed with ${causeOf(event)}`),
};

/**
 * The event types that report a change of state, grouped by the kind of state. The latest event of a group counts, so a
 * line that differs from the previous one is never a repeat.
 */
const STATE_GROUPS: readonly (readonly EventName[])[] = [
  ['instance.registered', 'instance.deregistered', 'instance.expired', 'instance.status_changed'],
  ['instance.flapping', 'instance.settled'],
  ['instance.ejected', 'instance.readmitted'],
  ['instance.unreachable', 'instance.reached'],
  ['expiry.held', 'expiry.resumed'],
  ['registry.unavailable', 'registry.available'],
  ['registry.writes_refused', 'registry.writes_accepted'],
  ['circuit.opened', 'circuit.half_opened', 'circuit.closed'],
  ['balancing.panic', 'balancing.panic_ended'],
  ['balancing.fail_open', 'balancing.fail_open_ended'],
];

/** The event types that report the same kind of state as this one; undefined if it reports none. */
export function stateGroupOf(type: EventName): readonly EventName[] | undefined {
  return STATE_GROUPS.find((types) => types.includes(type));
}

/** The state that an event reports: two events of one subject with the same state are repeats. */
export function stateOf(event: ServiceDiscoveryEvent): string {
  return event.type === 'instance.status_changed' ? event.to : event.type;
}

export const EVENT_TYPES = Object.keys(SUBJECTS) as EventName[];

export function subjectOf(event: ServiceDiscoveryEvent): string {
  // TypeScript cannot tell that an event and the entry of its type belong together.
  const subject = SUBJECTS[event.type] as SubjectOf<ServiceDiscoveryEvent>;
  return subject(event);
}

/** The cause of a failed call: the status of the answer, or else the code, so that a 404 and a 500 are told apart. */
export function causeOf({ code, status }: { readonly code?: string; readonly status?: number }): string {
  const isAnswer = code === undefined || code === ('RESPONSE_STATUS' satisfies ErrorCode);
  return isAnswer ? `status ${status ?? 'unknown'}` : code;
}

/** The service and the instance, as far as they are known. */
export function placeOf(service: string | undefined, instanceId: string | undefined): string {
  return [service, instanceId].filter(Boolean).join('/');
}

function ofCircuit({ service, instanceId }: { readonly service: string; readonly instanceId?: string }): string {
  return placeOf(service, instanceId);
}
