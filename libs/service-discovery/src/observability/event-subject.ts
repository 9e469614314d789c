import { keyOf, type EventName, type InstanceKey, type ServiceDiscoveryEvent } from '../model/index.js';
import { type EventOf } from './event-bus.js';

type SubjectOf<Event> = (event: Event) => string;

const ofInstance: SubjectOf<{ readonly key: InstanceKey }> = ({ key }) => keyOf(key);
const ofService: SubjectOf<{ readonly service: string }> = ({ service }) => service;
const ofRegistry = (): string => '';

/**
 * What an event is about, more exactly than its type says: events of one type with one subject are repeats of each other,
 * but for those of a story (below).
 * It is asked at each event that is logged, so it builds no text where most of them come from: calls that succeed.
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
  'circuit.opened': ofCircuit,
  'circuit.half_opened': ofCircuit,
  'circuit.closed': ofCircuit,
  'balancing.panic': ofService,
  'balancing.panic_ended': ofService,
  'balancing.fail_open': ofService,
  'balancing.fail_open_ended': ofService,
  'call.passed_over': ({ service, instanceId }) => `${service} ${instanceId}`,
  'call.picked': ({ service, instanceId }) => `${service} ${instanceId}`,
  'call.refused': ({ service, stage }) => `${service} ${stage}`,
  'call.retried': ofService,
  'call.hedged': ofService,
  'call.failed_over': ofService,
  'call.answered_stale': ofService,
  'call.completed': (event) => (event.ok ? event.service : `${event.service} failed with ${causeOf(event)}`),
};

/**
 * Those that tell of a new state, by what it is the state of. Of them the latest is the truth, so a line that differs from
 * the one before it is never a repeat, whatever was written earlier. Each list is of one kind of thing.
 */
const STORIES: readonly (readonly EventName[])[] = [
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

/** The types of events that tell one story with this one, itself included; undefined where it tells none. */
export function storyOf(type: EventName): readonly EventName[] | undefined {
  return STORIES.find((types) => types.includes(type));
}

/** What an event of a story says: two of one thing that say the same are repeats. */
export function stateOf(event: ServiceDiscoveryEvent): string {
  return event.type === 'instance.status_changed' ? event.to : event.type;
}

export const EVENT_TYPES = Object.keys(SUBJECTS) as EventName[];

export function subjectOf(event: ServiceDiscoveryEvent): string {
  // TypeScript does not see that an event and the entry of its type belong together.
  const subject = SUBJECTS[event.type] as SubjectOf<ServiceDiscoveryEvent>;
  return subject(event);
}

/** What a call failed with. */
export function causeOf({ code, status }: { readonly code?: string; readonly status?: number }): string {
  return code ?? `status ${status ?? 'unknown'}`;
}

/** The instance, where it is known, the service, where that is known, or an empty text. */
export function placeOf(service: string | undefined, instanceId: string | undefined): string {
  return [service, instanceId].filter(Boolean).join('/');
}

function ofCircuit({ service, instanceId }: { readonly service: string; readonly instanceId?: string }): string {
  return placeOf(service, instanceId);
}
