import { mayBeCalled, type ServiceInstance } from '../model/index.js';
import { tagsOf } from './criteria.js';
import { type FilterStage, type OnLeftOut } from './explanation.js';
import { type HealthSurvey, isOnDuty, surveyHealth } from './health-survey.js';
import { type PickContext, type SelectionCriteria } from './load-balancer.js';
import { findPanicked } from './panic.js';
import { type Sharing } from './parts.js';
import { type Pool, shareOutPools } from './pools.js';
import { type Preferences } from './preferences.js';
import { firstTier, Refusals, tellTier, type TierSources } from './tiers.js';
import { type UnavailableReason } from './unavailable-reason.js';
import { rangeOf } from './version-range.js';

/** The instances that may take a call, in the pools among which calls are shared out; or why there are none. */
export type Selection = {
  readonly survey?: HealthSurvey;
  /** Whether the health of some instances does not count because too many of their kind are ill. */
  readonly isPanic: boolean;
} & (
  | {
      readonly kind: 'selected';
      readonly pools: readonly Pool[];
      /** All that are well enough for a call like this. */
      readonly fit: readonly ServiceInstance[];
      /** Whether they are unhealthy, as no other instance can take the call. */
      readonly isFailOpen: boolean;
    }
  | { readonly kind: 'unavailable'; readonly reason: UnavailableReason }
);

/**
 * Finds the instances that may take a call.
 *
 * What they must be: of the version and with the tags asked for, or routed to; neither draining, in maintenance nor of
 * weight 0; not refused; and not unhealthy, unless no other instance can take the call and the service may fail open. What
 * they should be, as long as any is so and the first wish first: within reach (even if unhealthy), no outlier, not excluded
 * (a retry goes anywhere rather than to where it failed), healthy rather than not checked yet (near is of no use where
 * nothing answers). What is left is shared out by version, level and zone.
 *
 * In a panic neither health nor outliers count: too many are ill for the others to bear all calls.
 * @throws ServiceDiscoveryError `INVALID_REQUEST` when `context.version` is no semver range
 */
export function select(
  instances: readonly ServiceInstance[],
  context: PickContext,
  preferences: Preferences,
  onLeftOut?: OnLeftOut,
): Selection {
  if (instances.length === 0) return { kind: 'unavailable', reason: 'no_instances', isPanic: false };
  const route = preferences.routeOf(context);
  const fitting = selectMatching(instances, { ...context, route }, onLeftOut);
  let sharing = preferences.sharingOf(context, route);
  let matching = selectOpen(fitting, sharing, onLeftOut);
  if (matching.length === 0 && context.version !== undefined) {
    // No other instance would do: as with a route, the caller asks for what has weight 0.
    sharing = { ...sharing, groups: false };
    matching = fitting;
  }
  if (matching.length === 0) return { kind: 'unavailable', reason: 'no_match', isPanic: false };

  const standing = standingOf(matching, context, sharing, preferences);
  const { onDuty, survey, inPanic, sources } = standing;
  const found = { survey, isPanic: inPanic.size > 0 };
  const isTooFew = survey.isTooFew && sources.serving.length > 0;
  const refusals = isTooFew || !context.refusal ? undefined : new Refusals(context.refusal);
  const tier = isTooFew ? undefined : firstTier(sources, refusals);
  if (onLeftOut) tellTier(tier, matching, sources, refusals, onLeftOut);
  if (isTooFew) return { kind: 'unavailable', reason: 'too_few_healthy', ...found };
  if (!tier) return { kind: 'unavailable', reason: refusals?.areAny ? 'none_available' : 'none_healthy', ...found };

  const left = selectBest(tier.members, standing, context.exclude, onLeftOut);
  const usual = (refusals && firstTier(sources, undefined)) ?? tier;
  const fit = found.isPanic || usual.isFailOpen ? onDuty.filter(standing.isWell) : selectBest(usual.members, standing);
  const whoThereIs = {
    registered: () => (matching.every(isWeighty) ? matching : matching.filter(isWeighty)),
    onDuty,
    fit,
    inPanic: usual.isFailOpen ? new Set(onDuty) : inPanic,
    left,
  };
  const pools = shareOutPools(whoThereIs, sharing, onLeftOut);
  return { kind: 'selected', pools, fit, isFailOpen: tier.isFailOpen, ...found };
}

/**
 * The instances that match and may serve, whether they are available at this moment or not.
 * @param failOpen whether unhealthy ones may stand in
 */
export function selectServing(
  instances: readonly ServiceInstance[],
  criteria: SelectionCriteria = {},
  failOpen = false,
): readonly ServiceInstance[] {
  return selectMatching(instances, { ...criteria, tags: tagsOf(criteria) }).filter(failOpen ? isOnDuty : mayBeCalled);
}

function selectMatching(
  instances: readonly ServiceInstance[],
  { version, tags, route }: Pick<PickContext, 'version' | 'tags'> & { readonly route?: string },
  onLeftOut?: OnLeftOut,
): readonly ServiceInstance[] {
  let matching = instances;
  if (version !== undefined) matching = selectVersion(matching, version, 'version', onLeftOut);
  if (tags !== undefined && tags.length > 0) {
    matching = matching.filter((instance) => {
      const missing = tags.filter((tag) => !instance.tags.includes(tag));
      if (missing.length > 0) onLeftOut?.(instance, 'tags', `without ${missing.join(', ')}`);
      return missing.length === 0;
    });
  }
  return route === undefined ? matching : selectVersion(matching, route, 'route', onLeftOut);
}

function selectVersion(
  instances: readonly ServiceInstance[],
  version: string,
  stage: 'version' | 'route',
  onLeftOut?: OnLeftOut,
): readonly ServiceInstance[] {
  const range = rangeOf(version);
  return instances.filter((instance) => {
    const fits = instance.version !== undefined && range.has(instance.version);
    if (!fits)
      onLeftOut?.(
        instance,
        stage,
        instance.version === undefined ? 'it has no version' : `${instance.version} is not in ${version}`,
      );
    return fits;
  });
}

/** Those of a version that may get calls, be it only where nobody else can take them. */
function selectOpen(
  instances: readonly ServiceInstance[],
  { groups }: Sharing,
  onLeftOut?: OnLeftOut,
): readonly ServiceInstance[] {
  if (!groups) return instances;
  return instances.filter((instance) => {
    const group = groups.groupOf(instance);
    if (groups.isClosed(group)) onLeftOut?.(instance, 'version_weights', `${groups.nameOf(group)} has weight 0`);
    return !groups.isClosed(group);
  });
}

function isWeighty({ weight }: ServiceInstance): boolean {
  return weight > 0;
}

/** How the instances stand for calls with the same criteria. */
interface Standing {
  /** All that are meant to take calls, well or not. */
  readonly onDuty: readonly ServiceInstance[];
  /** Whether one of them can be expected to answer. */
  readonly isWell: (instance: ServiceInstance) => boolean;
  readonly survey: HealthSurvey;
  /** Those whose health does not count. */
  readonly inPanic: ReadonlySet<ServiceInstance>;
  readonly outliers: ReadonlySet<string> | undefined;
  readonly sources: TierSources;
}

function standingOf(
  matching: readonly ServiceInstance[],
  { avoid: outliers, unreachable }: PickContext,
  sharing: Sharing,
  { options }: Preferences,
): Standing {
  const onDuty = matching.filter(isOnDuty);
  const isWell = (instance: ServiceInstance): boolean =>
    mayBeCalled(instance) &&
    outliers?.has(instance.instanceId) !== true &&
    unreachable?.has(instance.instanceId) !== true;
  const survey = surveyHealth(onDuty, isWell, options);
  const inPanic = findPanicked(onDuty, isWell, sharing, options.panicThreshold);
  const isServing = (instance: ServiceInstance): boolean => mayBeCalled(instance) || inPanic.has(instance);
  const mayFailOpen = options.failOpen && !survey.isTooFew;
  const sources = {
    serving: onDuty.filter(isServing),
    standIns: () => (mayFailOpen ? onDuty.filter((instance) => !isServing(instance)) : []),
    unreachable,
  };
  return { onDuty, isWell, survey, inPanic, outliers, sources };
}

/** Those that are what instances should be, as far as any is. */
function selectBest(
  instances: readonly ServiceInstance[],
  { outliers, survey, inPanic }: Standing,
  tried?: ReadonlySet<string>,
  onLeftOut?: OnLeftOut,
): readonly ServiceInstance[] {
  let best = instances;
  const prefer = (stage: FilterStage, reason: string, wanted: (instance: ServiceInstance) => boolean): void => {
    const better = best.filter(wanted);
    if (better.length === 0 || better.length === best.length) return;
    if (onLeftOut) for (const instance of best) if (!wanted(instance)) onLeftOut(instance, stage, reason);
    best = better;
  };
  if (outliers && outliers.size > 0) {
    prefer('avoid', 'an outlier', (instance) => !outliers.has(instance.instanceId) || inPanic.has(instance));
  }
  if (tried && tried.size > 0) prefer('exclude', 'was tried', ({ instanceId }) => !tried.has(instanceId));
  if (survey.isUncheckedBehind) {
    const reason = 'not checked yet, and others are healthy';
    prefer('unchecked', reason, (instance) => instance.status === 'healthy' || inPanic.has(instance));
  }
  return best;
}
