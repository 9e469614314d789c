import { counted, suggest } from '../../common/index.js';
import { type SelectionCriteria, selectServing } from '../../balancing/index.js';
import { mayBeCalled, type ServiceInstance, statusInWords } from '../../model/index.js';
import { type ServiceRegistry } from '../../registry/index.js';

/** How many instances an error describes. */
const DESCRIBED = 3;

/** How many there are, what is lacking, and how the first of them are. */
export function describeInstances(
  instances: readonly ServiceInstance[],
  criteria: SelectionCriteria,
  lacking: string,
): string {
  const fitting = new Set(selectServing(instances, criteria));
  const shown = instances.slice(0, DESCRIBED).map((instance) => {
    const state = fitting.has(instance) || !mayBeCalled(instance) ? stateOf(instance) : 'does not match the criteria';
    return `${instance.instanceId} ${state}`;
  });
  const more = instances.length > DESCRIBED ? [`${instances.length - DESCRIBED} more`] : [];
  return `${counted(instances.length, 'instance')}, ${lacking} (${[...shown, ...more].join('; ')})`;
}

function stateOf({ weight, status, health }: ServiceInstance): string {
  if (weight === 0) return 'has weight 0';
  if (status === 'unknown') return 'was not checked yet';
  const reason = status === 'unhealthy' && health?.reason !== undefined ? `: ${health.reason}` : '';
  return `is ${statusInWords(status)}${reason}`;
}

/** A service without instances. */
export function describeAbsence(registry: Pick<ServiceRegistry, 'follows' | 'snapshot'>, name: string): string {
  if (!registry.follows(name)) return 'the registry has not answered yet';
  const near = suggest(name, [...registry.snapshot.services.keys()]);
  return `no instance of it is registered${near.startsWith(':') ? '' : near}`;
}

/** What to add to what a registry says that may be out of date; nothing while it is connected. */
export function describeStaleness(registry: Pick<ServiceRegistry, 'snapshot' | 'ageMs'>): string {
  const { connected, ready } = registry.snapshot;
  if (connected || !ready) return '';
  return ` (the registry cannot be reached, and that is what it said ${Math.floor(registry.ageMs() / 1_000)} s ago)`;
}
