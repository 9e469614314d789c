import { type ServiceInstance } from '../model/index.js';
import { type FilterStage } from './explanation.js';
import { type PickContext, type SelectionCriteria } from './load-balancer.js';
import { type UnavailableReason } from './unavailable-reason.js';
import { rangeOf } from './version-range.js';

/** What is left of a service's instances for one pick. */
export type EligibleResult =
  | { readonly kind: 'eligible'; readonly instances: readonly ServiceInstance[] }
  | { readonly kind: 'unavailable'; readonly reason: UnavailableReason };

/** Hears of each instance that is left out. */
export type OnLeftOut = (instance: ServiceInstance, stage: FilterStage, reason: string) => void;

/**
 * The instances that may take a call, of which a strategy then chooses one.
 *
 * What they must be: of the version and with the tags asked for; neither unhealthy, draining, in maintenance nor of
 * weight 0; not refused. What they should be, as long as any is left and the first wish first: not to be avoided, not
 * excluded (a retry goes anywhere rather than to where it failed), healthy rather than not checked yet (near is of no
 * use where nothing answers), of the zone.
 * @throws ServiceDiscoveryError `INVALID_REQUEST` when `context.version` is no semver range
 */
export function selectEligible(
  instances: readonly ServiceInstance[],
  context: PickContext = {},
  onLeftOut?: OnLeftOut,
): EligibleResult {
  if (instances.length === 0) return unavailable('no_instances');

  const matching = selectMatching(instances, context, onLeftOut);
  if (matching.length === 0) return unavailable('no_match');

  const serving = matching.filter((instance) => {
    const reason = idleReason(instance);
    if (reason !== undefined) onLeftOut?.(instance, 'status', reason);
    return reason === undefined;
  });
  if (serving.length === 0) return unavailable('none_healthy');

  const { refusal, exclude, avoid, zone } = context;
  const available = refusal
    ? serving.filter((instance) => {
        const reason = refusal(instance);
        if (reason !== undefined) onLeftOut?.(instance, 'refusal', reason);
        return reason === undefined;
      })
    : serving;
  if (available.length === 0) return unavailable('none_available');

  let preferred: readonly ServiceInstance[] = available;
  const prefer = (stage: FilterStage, reason: string, wanted: (instance: ServiceInstance) => boolean): void => {
    const better = preferred.filter(wanted);
    if (better.length === 0 || better.length === preferred.length) return;
    if (onLeftOut) for (const instance of preferred) if (!wanted(instance)) onLeftOut(instance, stage, reason);
    preferred = better;
  };
  if (avoid !== undefined && avoid.size > 0) prefer('avoid', 'does badly', ({ instanceId }) => !avoid.has(instanceId));
  if (exclude !== undefined && exclude.size > 0) {
    prefer('exclude', 'was tried', ({ instanceId }) => !exclude.has(instanceId));
  }
  prefer('unchecked', 'not checked yet, and others are healthy', ({ status }) => status === 'healthy');
  if (zone !== undefined) prefer('zone', `not in zone ${zone}`, (instance) => instance.zone === zone);
  return { kind: 'eligible', instances: preferred };
}

/** The instances that match and may serve, whether they are available at this moment or not. */
export function selectServing(
  instances: readonly ServiceInstance[],
  criteria: SelectionCriteria = {},
): readonly ServiceInstance[] {
  return selectMatching(instances, criteria).filter((instance) => idleReason(instance) === undefined);
}

function selectMatching(
  instances: readonly ServiceInstance[],
  { version, tags }: SelectionCriteria,
  onLeftOut?: OnLeftOut,
): readonly ServiceInstance[] {
  let matching = instances;
  if (version !== undefined) {
    const range = rangeOf(version);
    matching = matching.filter((instance) => {
      const fits = instance.version !== undefined && range.has(instance.version);
      if (!fits) onLeftOut?.(instance, 'version', `${instance.version ?? 'no version'} is not in ${version}`);
      return fits;
    });
  }
  if (tags !== undefined && tags.length > 0) {
    matching = matching.filter((instance) => {
      const missing = tags.filter((tag) => !instance.tags.includes(tag));
      if (missing.length > 0) onLeftOut?.(instance, 'tags', `without ${missing.join(', ')}`);
      return missing.length === 0;
    });
  }
  return matching;
}

/** Why an instance takes no calls at all. */
function idleReason({ status, weight }: ServiceInstance): string | undefined {
  if (weight === 0) return 'weight 0';
  return status === 'healthy' || status === 'unknown' ? undefined : status;
}

function unavailable(reason: UnavailableReason): EligibleResult {
  return { kind: 'unavailable', reason };
}
