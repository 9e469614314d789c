import { mayBeCalled, type ServiceInstance } from '../model/index.js';
import { tagsOf } from './criteria.js';
import { type FilterStage, type OnLeftOut } from './explanation.js';
import { type HealthSurvey, isOnDuty, surveyHealth } from './health-survey.js';
import { type PickContext, type SelectionCriteria } from './load-balancer.js';
import { type Pool, type Sharing, shareOutPools } from './pools.js';
import { type Preferences } from './preferences.js';
import { type UnavailableReason } from './unavailable-reason.js';
import { rangeOf } from './version-range.js';

/** The instances that may take a call, in the pools among which calls are shared out; or why there are none. */
export type Selection =
  | {
      readonly kind: 'selected';
      readonly pools: readonly Pool[];
      /** All that are well enough for a call like this. */
      readonly fit: readonly ServiceInstance[];
      readonly survey: HealthSurvey;
    }
  | { readonly kind: 'unavailable'; readonly reason: UnavailableReason; readonly survey?: HealthSurvey };

/**
 * Finds the instances that may take a call.
 *
 * What they must be: of the version and with the tags asked for, or routed to; neither unhealthy, draining, in
 * maintenance nor of weight 0; not refused. What they should be, as long as any is left and the first wish first: no
 * outlier, not excluded (a retry goes anywhere rather than to where it failed), healthy rather than not checked yet
 * (near is of no use where nothing answers). What is left is shared out by version, level and zone.
 *
 * In a panic neither health nor outliers count: too many are ill for those that are left to bear it all.
 * @throws ServiceDiscoveryError `INVALID_REQUEST` when `context.version` is no semver range
 */
export function select(
  instances: readonly ServiceInstance[],
  context: PickContext,
  preferences: Preferences,
  onLeftOut?: OnLeftOut,
): Selection {
  if (instances.length === 0) return { kind: 'unavailable', reason: 'no_instances' };
  const route = preferences.routeOf(context);
  const fitting = selectMatching(instances, { ...context, route }, onLeftOut);
  let sharing = preferences.sharingOf(context, route);
  let matching = selectOpen(fitting, sharing, onLeftOut);
  if (matching.length === 0 && context.version !== undefined) {
    // Nothing else would do: as with a route, somebody asks for what has weight 0.
    sharing = { ...sharing, groups: false };
    matching = fitting;
  }
  if (matching.length === 0) return { kind: 'unavailable', reason: 'no_match' };

  const { avoid, exclude, refusal } = context;
  const survey = surveyHealth(matching, avoid, preferences.options);
  const registered = (): readonly ServiceInstance[] =>
    matching.every(isWeighty) ? matching : matching.filter(isWeighty);
  const onDuty = matching.filter(isOnDuty);
  const serving = survey.isPanic ? onDuty : onDuty.filter(mayBeCalled);
  if (onLeftOut) {
    const served = new Set(serving);
    for (const instance of matching) if (!served.has(instance)) onLeftOut(instance, 'status', idleReason(instance));
  }
  if (serving.length === 0) return { kind: 'unavailable', reason: 'none_healthy', survey };
  if (survey.isTooFew) return { kind: 'unavailable', reason: 'too_few_healthy', survey };

  const wishes: Wishes = {
    outliers: survey.isPanic ? undefined : avoid,
    tried: exclude,
    mindsChecks: survey.isUncheckedBehind && !survey.isPanic,
  };
  let left: readonly ServiceInstance[] = serving;
  if (refusal) {
    left = left.filter((instance) => {
      const reason = refusal(instance);
      if (reason !== undefined) onLeftOut?.(instance, 'refusal', reason);
      return reason === undefined;
    });
    if (left.length === 0) return { kind: 'unavailable', reason: 'none_available', survey };
  }
  left = selectBest(left, wishes, onLeftOut);
  const isUsual = refusal === undefined && (exclude === undefined || exclude.size === 0);
  const fit = isUsual ? left : selectBest(serving, { ...wishes, tried: undefined });

  const pools = shareOutPools({ registered, onDuty, fit, left }, sharing, onLeftOut);
  return { kind: 'selected', pools, fit, survey };
}

/** The instances that match and may serve, whether they are available at this moment or not. */
export function selectServing(
  instances: readonly ServiceInstance[],
  criteria: SelectionCriteria = {},
): readonly ServiceInstance[] {
  return selectMatching(instances, { ...criteria, tags: tagsOf(criteria) }).filter(mayBeCalled);
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
    if (!fits) onLeftOut?.(instance, stage, `${instance.version ?? 'no version'} is not in ${version}`);
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

function idleReason({ weight, status }: ServiceInstance): string {
  return weight === 0 ? 'weight 0' : status;
}

/** What instances should be, as far as it counts. */
interface Wishes {
  readonly outliers: ReadonlySet<string> | undefined;
  readonly tried: ReadonlySet<string> | undefined;
  readonly mindsChecks: boolean;
}

function selectBest(
  instances: readonly ServiceInstance[],
  { outliers, tried, mindsChecks }: Wishes,
  onLeftOut?: OnLeftOut,
): readonly ServiceInstance[] {
  let best = instances;
  const prefer = (stage: FilterStage, reason: string, wanted: (instance: ServiceInstance) => boolean): void => {
    const better = best.filter(wanted);
    if (better.length === 0 || better.length === best.length) return;
    if (onLeftOut) for (const instance of best) if (!wanted(instance)) onLeftOut(instance, stage, reason);
    best = better;
  };
  if (outliers && outliers.size > 0)
    prefer('avoid', 'an outlier, or out of reach', ({ instanceId }) => !outliers.has(instanceId));
  if (tried && tried.size > 0) prefer('exclude', 'was tried', ({ instanceId }) => !tried.has(instanceId));
  if (mindsChecks) prefer('unchecked', 'not checked yet, and others are healthy', ({ status }) => status === 'healthy');
  return best;
}
