import { type ServiceInstance } from '../model/index.js';
import { type PickContext, type SelectionCriteria, type UnavailableReason } from './load-balancer.js';
import { rangeOf } from './version-range.js';

/** What is left of a service's instances for one pick. */
export type EligibleResult =
  | { readonly kind: 'eligible'; readonly instances: readonly ServiceInstance[] }
  | { readonly kind: 'unavailable'; readonly reason: UnavailableReason };

/**
 * The instances that may take a call, of which a strategy then chooses one.
 *
 * What they must be: of the version and with the tags asked for; neither unhealthy, draining, in maintenance nor of
 * weight 0; not refused by `isAvailable`. What they should be, as long as any is left and the first wish first: not
 * excluded (a retry goes anywhere rather than to where it failed), healthy rather than not checked yet (near is of no
 * use where nothing answers), of the zone.
 * @throws ServiceDiscoveryError `INVALID_REQUEST` when `context.version` is no semver range
 */
export function selectEligible(instances: readonly ServiceInstance[], context: PickContext = {}): EligibleResult {
  if (instances.length === 0) return unavailable('no_instances');

  const matching = selectMatching(instances, context);
  if (matching.length === 0) return unavailable('no_match');

  const serving = matching.filter(isServing);
  if (serving.length === 0) return unavailable('none_healthy');

  const { isAvailable, exclude, zone } = context;
  const available = isAvailable ? serving.filter((instance) => isAvailable(instance)) : serving;
  if (available.length === 0) return unavailable('none_available');

  let preferred: readonly ServiceInstance[] = available;
  if (exclude !== undefined && exclude.size > 0) {
    preferred = prefer(preferred, ({ instanceId }) => !exclude.has(instanceId));
  }
  preferred = prefer(preferred, ({ status }) => status === 'healthy');
  if (zone !== undefined) preferred = prefer(preferred, (instance) => instance.zone === zone);
  return { kind: 'eligible', instances: preferred };
}

/** The instances that match and may serve, whether they are available at this moment or not. */
export function selectServing(
  instances: readonly ServiceInstance[],
  criteria: SelectionCriteria = {},
): readonly ServiceInstance[] {
  return selectMatching(instances, criteria).filter(isServing);
}

function selectMatching(
  instances: readonly ServiceInstance[],
  { version, tags }: SelectionCriteria,
): readonly ServiceInstance[] {
  let matching = instances;
  if (version !== undefined) {
    const range = rangeOf(version);
    matching = matching.filter((instance) => instance.version !== undefined && range.has(instance.version));
  }
  if (tags !== undefined && tags.length > 0) {
    matching = matching.filter((instance) => tags.every((tag) => instance.tags.includes(tag)));
  }
  return matching;
}

function isServing({ status, weight }: ServiceInstance): boolean {
  return weight > 0 && (status === 'healthy' || status === 'unknown');
}

/** Those that are as they should be; all, when none is. */
function prefer(
  instances: readonly ServiceInstance[],
  wanted: (instance: ServiceInstance) => boolean,
): readonly ServiceInstance[] {
  const better = instances.filter(wanted);
  return better.length > 0 ? better : instances;
}

function unavailable(reason: UnavailableReason): EligibleResult {
  return { kind: 'unavailable', reason };
}
