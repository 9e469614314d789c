import { mayBeCalled, type ServiceInstance } from '../../model/index.js';
import { type PickContext, type SelectionCriteria } from '../load-balancer.js';
import { LOAD_BALANCING_OPTIONS, type ResolvedLoadBalancingOptions } from '../load-balancing-options.js';
import { tagsOf } from './criteria.js';
import { type FilterStage, type OnLeftOut, type UnavailableReason } from './explanation.js';
import { findInPanic } from './panic.js';
import { type TrafficSplit } from './partitions.js';
import { buildPools, type Pool } from './pools.js';
import { Preferences } from './preferences.js';
import {
  explainTier,
  firstTier,
  type HealthSurvey,
  isInRotation,
  Refusals,
  surveyHealth,
  type TierSources,
} from './tiers.js';
import { rangeOf, type VersionShare } from './version-range.js';

/** The instances that may take a call, in the pools that calls are split among; or why there are none. */
export type Selection = {
  readonly survey?: HealthSurvey;
  /** Whether the health of some instances is ignored because too many of their partition are unavailable. */
  readonly isPanic: boolean;
} & (
  | {
      readonly kind: 'selected';
      readonly pools: readonly Pool[];
      /** All that are healthy enough for a call like this. */
      readonly usable: readonly ServiceInstance[];
      /** Whether the pools hold unhealthy instances because no other can take the call. */
      readonly isFailOpen: boolean;
    }
  | { readonly kind: 'unavailable'; readonly reason: UnavailableReason }
);

/**
 * Finds the instances that may take a call.
 *
 * Required: the version, tags and protocol asked for or routed to; neither draining, in maintenance nor of weight 0; not refused; and
 * not unhealthy, unless no other instance can take the call and the service may fail open. Preferred, in this order, as
 * long as any instance qualifies: reachable (even if unhealthy), no outlier, not excluded (a retry goes anywhere rather than
 * to the instance that failed), healthy rather than unchecked (before the zone, since a near instance that does not answer
 * is of no use). The calls are then split by version, level and zone.
 *
 * In a panic neither health nor outliers count: the remaining instances could not carry all calls.
 * @throws ServiceDiscoveryError `INVALID_REQUEST` when `context.version` is not a semver range
 */
export function select(
  instances: readonly ServiceInstance[],
  context: PickContext,
  preferences: Preferences,
  onLeftOut?: OnLeftOut,
): Selection {
  if (instances.length === 0) return { kind: 'unavailable', reason: 'no_instances', isPanic: false };
  const route = preferences.routeOf(context);
  const requested = selectMatching(instances, { ...context, route }, onLeftOut);
  let split = preferences.splitFor(context, route);
  let matching = selectOpen(requested, split, onLeftOut);
  if (matching.length === 0 && context.version !== undefined) {
    // The caller asks for a version of weight 0 explicitly, as a route would, so the weights do not apply.
    split = { ...split, groups: false };
    matching = requested;
  }
  if (matching.length === 0) return { kind: 'unavailable', reason: 'no_match', isPanic: false };

  const assessment = assess(matching, context, split, preferences);
  const { inRotation, survey, inPanic, sources } = assessment;
  const found = { survey, isPanic: inPanic.size > 0 };
  const isTooFew = survey.isTooFew && sources.serving.length > 0;
  const refusals = isTooFew || !context.refusal ? undefined : new Refusals(context.refusal);
  const tier = isTooFew ? undefined : firstTier(sources, refusals);
  if (onLeftOut) explainTier(tier, matching, sources, refusals, onLeftOut);
  if (isTooFew) return { kind: 'unavailable', reason: 'too_few_healthy', ...found };
  if (!tier) return { kind: 'unavailable', reason: refusals?.areAny ? 'none_available' : 'none_healthy', ...found };

  const eligible = selectPreferred(tier.members, assessment, context.exclude, onLeftOut);
  const usual = (refusals && firstTier(sources, undefined)) ?? tier;
  const usable =
    found.isPanic || usual.isFailOpen
      ? inRotation.filter(assessment.isAvailable)
      : selectPreferred(usual.members, assessment);
  const input = {
    registered: () => (matching.every(hasWeight) ? matching : matching.filter(hasWeight)),
    inRotation,
    usable,
    inPanic: usual.isFailOpen ? new Set(inRotation) : inPanic,
    eligible,
  };
  return {
    kind: 'selected',
    pools: buildPools(input, split, onLeftOut),
    usable,
    isFailOpen: tier.isFailOpen,
    ...found,
  };
}

/**
 * The instances that match and may serve, available at this moment or not.
 * @param failOpen whether unhealthy ones may stand in
 */
export function selectServing(
  instances: readonly ServiceInstance[],
  criteria: SelectionCriteria = {},
  failOpen = false,
): readonly ServiceInstance[] {
  const matching = selectMatching(instances, { ...criteria, tags: tagsOf(criteria) });
  return matching.filter(failOpen ? isInRotation : mayBeCalled);
}

/** The instances of the version and protocol and with the tags asked for. */
export function selectMatching(
  instances: readonly ServiceInstance[],
  { version, tags, protocol, route }: Pick<PickContext, 'version' | 'tags' | 'protocol'> & { readonly route?: string },
  onLeftOut?: OnLeftOut,
): readonly ServiceInstance[] {
  let matching = instances;
  if (protocol !== undefined) {
    matching = matching.filter((instance) => {
      const isSpoken = instance.protocol === protocol;
      if (!isSpoken) onLeftOut?.(instance, 'protocol', `speaks ${instance.protocol}`);
      return isSpoken;
    });
  }
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
    const isInRange = instance.version !== undefined && range.has(instance.version);
    if (!isInRange)
      onLeftOut?.(
        instance,
        stage,
        instance.version === undefined ? 'it has no version' : `${instance.version} is not in ${version}`,
      );
    return isInRange;
  });
}

/** Leaves out the versions that are closed by a weight of 0. */
function selectOpen(
  instances: readonly ServiceInstance[],
  { groups }: TrafficSplit,
  onLeftOut?: OnLeftOut,
): readonly ServiceInstance[] {
  if (!groups) return instances;
  return instances.filter((instance) => {
    const group = groups.groupOf(instance);
    if (groups.isClosed(group)) onLeftOut?.(instance, 'version_weights', `${groups.nameOf(group)} has weight 0`);
    return !groups.isClosed(group);
  });
}

function hasWeight({ weight }: ServiceInstance): boolean {
  return weight > 0;
}

/** The health of the matching instances, for calls with the same criteria. */
interface HealthAssessment {
  /** All that are meant to take calls, available or not. */
  readonly inRotation: readonly ServiceInstance[];
  /** Whether one of them can be expected to answer. */
  readonly isAvailable: (instance: ServiceInstance) => boolean;
  readonly survey: HealthSurvey;
  /** Those whose health is ignored. */
  readonly inPanic: ReadonlySet<ServiceInstance>;
  readonly outliers: ReadonlySet<string> | undefined;
  readonly sources: TierSources;
}

function assess(
  matching: readonly ServiceInstance[],
  { avoid: outliers, unreachable }: PickContext,
  split: TrafficSplit,
  { options }: Preferences,
): HealthAssessment {
  const inRotation = matching.filter(isInRotation);
  const isAvailable = (instance: ServiceInstance): boolean =>
    mayBeCalled(instance) &&
    outliers?.has(instance.instanceId) !== true &&
    unreachable?.has(instance.instanceId) !== true;
  const survey = surveyHealth(inRotation, isAvailable, options);
  const inPanic = findInPanic(inRotation, isAvailable, split, options.panicThreshold);
  const isServing = (instance: ServiceInstance): boolean => mayBeCalled(instance) || inPanic.has(instance);
  const mayFailOpen = options.failOpen && !survey.isTooFew;
  const sources = {
    serving: inRotation.filter(isServing),
    standIns: () => (mayFailOpen ? inRotation.filter((instance) => !isServing(instance)) : []),
    unreachable,
  };
  return { inRotation, isAvailable, survey, inPanic, outliers, sources };
}

/** Narrows the instances by one preference after the other, skipping any that none of them meets. */
function selectPreferred(
  instances: readonly ServiceInstance[],
  { outliers, survey, inPanic }: HealthAssessment,
  tried?: ReadonlySet<string>,
  onLeftOut?: OnLeftOut,
): readonly ServiceInstance[] {
  let best = instances;
  const prefer = (stage: FilterStage, reason: string, isPreferred: (instance: ServiceInstance) => boolean): void => {
    const better = best.filter(isPreferred);
    if (better.length === 0 || better.length === best.length) return;
    if (onLeftOut) for (const instance of best) if (!isPreferred(instance)) onLeftOut(instance, stage, reason);
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

/** The instances of a service that one pick may choose from. */
export type EligibleResult =
  | { readonly kind: 'eligible'; readonly instances: readonly ServiceInstance[] }
  | { readonly kind: 'unavailable'; readonly reason: UnavailableReason };

const DEFAULTS = LOAD_BALANCING_OPTIONS.resolve();
const prepared = new WeakMap<ResolvedLoadBalancingOptions, Preferences>();

/**
 * The instances that may take a call, for a load balancer of your own: every one that gets any share of the calls, in list
 * order.
 * @param options those of `LoadBalancerDeps`
 * @param share what `LoadBalancer.shareByVersion` was called with last
 * @throws ServiceDiscoveryError `INVALID_REQUEST` when `context.version` is not a semver range
 */
export function selectEligible(
  instances: readonly ServiceInstance[],
  context: PickContext = {},
  options: ResolvedLoadBalancingOptions = DEFAULTS,
  share?: VersionShare,
): EligibleResult {
  let preferences = share ? new Preferences(options, share) : prepared.get(options);
  if (!preferences) prepared.set(options, (preferences = new Preferences(options)));
  const selected = select(instances, context, preferences);
  if (selected.kind === 'unavailable') return { kind: 'unavailable', reason: selected.reason };
  const [first, ...others] = selected.pools;
  if (first && others.length === 0) return { kind: 'eligible', instances: first.members };
  const members = new Set(selected.pools.flatMap((pool) => pool.members));
  return { kind: 'eligible', instances: instances.filter((instance) => members.has(instance)) };
}
