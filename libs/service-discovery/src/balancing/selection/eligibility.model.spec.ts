import { describe, it } from '@jest/globals';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import semver from 'semver';
import { modelRuns } from '../../../../../test/support/model-runs.js';
import { seededRandom } from '../../common/index.js';
import { type InstanceStatus, type ServiceInstance } from '../../model/index.js';
import { fakeInstance } from '../../testing/fake-instance.js';
import { createLoadBalancer } from '../load-balancing.js';
import { select } from './eligibility.js';
import { type FilterStage } from './explanation.js';
import { type PickContext } from '../load-balancer.js';
import { type LoadBalancingOptions } from '../load-balancing-options.js';
import { Preferences } from './preferences.js';
import { LOAD_BALANCING_OPTIONS } from '../load-balancing-options.js';
import { LoadBalancingStrategy } from '../strategies/strategy-names.js';
import { type UnavailableReason } from './explanation.js';

/** By id, the share of calls of an instance's pool; or why there is none. */
type Shares = ReadonlyMap<string, number> | UnavailableReason;

const STATUSES: readonly InstanceStatus[] = [
  'healthy',
  'healthy',
  'healthy',
  'unknown',
  'unhealthy',
  'draining',
  'maintenance',
];
const VERSIONS = ['1.0.0', '1.5.0', '2.0.0', '3.0.0-beta.1'];
const RANGES = ['1.x', '^1.5', '2.x', '*', '>=9'];
const IDS = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
const SHARES = [0, 0.25, 0.5, 0.7, 1];
const ZONES = ['x', 'y'];
const PROTOCOLS = ['http', 'https'] as const;

const instanceOf = (instanceId: string): fc.Arbitrary<ServiceInstance> =>
  fc
    .record({
      status: fc.constantFrom(...STATUSES),
      weight: fc.constantFrom(0, 1, 1, 3, 100),
      version: fc.option(fc.constantFrom(...VERSIONS), { nil: undefined }),
      tags: fc.subarray(['api', 'fast']),
      protocol: fc.constantFrom(...PROTOCOLS),
      zone: fc.option(fc.constantFrom(...ZONES), { nil: undefined }),
      level: fc.constantFrom(undefined, 0, 1, '2', 'none'),
    })
    .map(({ level, ...more }) => fakeInstance({ instanceId, metadata: { level }, ...more }));

const list: fc.Arbitrary<ServiceInstance[]> = fc
  .subarray(IDS)
  .chain((ids) => fc.tuple(...ids.map(instanceOf)).map((instances) => [...instances]));

const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined, freq: 1 });

interface Call extends PickContext {
  /** Ids of instances whose circuit is open. */
  readonly refused: readonly string[];
  /** Ids of instances at capacity, unless their circuit is open. */
  readonly full: readonly string[];
}

const call: fc.Arbitrary<Call> = fc
  .record({
    version: maybe(fc.constantFrom(...RANGES)),
    tags: maybe(fc.subarray(['api', 'fast'])),
    protocol: maybe(fc.constantFrom(...PROTOCOLS)),
    zone: maybe(fc.constantFrom(...ZONES)),
    headers: fc.record({ 'x-to': fc.constantFrom(undefined, 'two', 'other') }),
    exclude: maybe(fc.subarray(IDS)),
    avoid: maybe(fc.subarray(IDS)),
    unreachable: maybe(fc.subarray(IDS)),
    refused: fc.oneof({ weight: 2, arbitrary: fc.constant<string[]>([]) }, fc.subarray(IDS)),
    full: fc.oneof({ weight: 2, arbitrary: fc.constant<string[]>([]) }, fc.subarray(IDS)),
  })
  .map(({ exclude, avoid, unreachable, refused, full, ...more }) => ({
    ...more,
    exclude: exclude && new Set(exclude),
    avoid: avoid && new Set(avoid),
    unreachable: unreachable && new Set(unreachable),
    refused,
    full,
    refusal: ({ instanceId }) => {
      if (refused.includes(instanceId)) return 'circuit_open';
      return full.includes(instanceId) ? 'at_capacity' : undefined;
    },
  }));

const options: fc.Arbitrary<Partial<LoadBalancingOptions>> = fc
  .record({
    failOpen: fc.boolean(),
    panicThreshold: fc.constantFrom(0, 0, 0.5, 0.9),
    minimumHealthyShare: fc.constantFrom(0, 0, 0.4, 0.8),
    uncheckedThreshold: fc.constantFrom(...SHARES),
    zone: fc.oneof(
      fc.constant<false>(false),
      fc.record({ prefer: fc.constantFrom(...ZONES), minimumHealthyShare: fc.constantFrom(...SHARES) }),
    ),
    priorities: fc.oneof(
      fc.constant<false>(false),
      fc.record({
        by: fc.constant('level'),
        otherwise: fc.constantFrom(0, 1),
        minimumHealthyShare: fc.constantFrom(...SHARES),
      }),
    ),
    versionWeights: fc.constantFrom<LoadBalancingOptions['versionWeights']>(
      false,
      false,
      { '1.x': 95, '2.x': 5 },
      { '2.x': 1, '*': 3 },
      { '1.x': 0, '2.x': 2 },
    ),
    routes: fc.constantFrom<LoadBalancingOptions['routes']>(
      [],
      [{ header: 'x-to', value: 'two', version: '2.x' }],
      [{ header: 'x-to', version: '>=1.5' }],
    ),
  })
  .map((given) => ({
    ...given,
    minimumHealthyShare: given.panicThreshold > 0 ? given.minimumHealthyShare / 4 : given.minimumHealthyShare,
  }));

/** The simplest implementation: one condition after the other, for each instance separately. */
function reference(instances: readonly ServiceInstance[], wanted: Call, given: Partial<LoadBalancingOptions>): Shares {
  const { failOpen = true, panicThreshold = 0, minimumHealthyShare = 0, uncheckedThreshold = 0.5 } = given;
  if (instances.length === 0) return 'no_instances';
  const inRange = ({ version }: ServiceInstance, range: string): boolean =>
    version !== undefined && semver.satisfies(version, range);
  const route = (given.routes ?? []).find(({ header, value }) => {
    const text = wanted.headers?.[header];
    return text !== undefined && (value === undefined || text === value);
  })?.version;
  const listed = Object.entries(route === undefined && given.versionWeights ? given.versionWeights : {});
  const fitting = instances.filter(
    (instance) =>
      (wanted.version === undefined || inRange(instance, wanted.version)) &&
      (route === undefined || inRange(instance, route)) &&
      (wanted.protocol === undefined || instance.protocol === wanted.protocol) &&
      (wanted.tags ?? []).every((tag) => instance.tags.includes(tag)),
  );
  const open = fitting.filter((instance) => listed.find(([range]) => inRange(instance, range))?.[1] !== 0);
  const asksForClosed = open.length === 0 && wanted.version !== undefined;
  const matching = asksForClosed ? fitting : open;
  if (matching.length === 0) return 'no_match';
  const weights = asksForClosed ? [] : listed;
  const groupOf = (instance: ServiceInstance): string =>
    weights.find(([range]) => inRange(instance, range))?.[0] ?? 'other';

  const weigh = (some: readonly ServiceInstance[]): number => some.reduce((sum, { weight }) => sum + weight, 0);
  const onDuty = matching.filter(({ status, weight }) => weight > 0 && !['draining', 'maintenance'].includes(status));
  const serving = onDuty.filter(({ status }) => status !== 'unhealthy');
  const healthy = serving.filter(({ status }) => status === 'healthy');
  const isOutlier = ({ instanceId }: ServiceInstance): boolean => wanted.avoid?.has(instanceId) ?? false;
  const isReachable = ({ instanceId }: ServiceInstance): boolean => wanted.unreachable?.has(instanceId) !== true;
  const well = serving.filter((instance) => !isOutlier(instance) && isReachable(instance));
  const shareOf = (some: readonly ServiceInstance[]): number =>
    some.length === 0 ? 1 : weigh(well.filter((instance) => some.includes(instance))) / weigh(some);

  const levelOf = ({ metadata }: ServiceInstance): number => {
    if (!given.priorities) return 0;
    const level = Number(metadata.level ?? Number.NaN);
    return Number.isNaN(level) ? (given.priorities.otherwise ?? 0) : level;
  };
  const levelMinimum = given.priorities ? (given.priorities.minimumHealthyShare ?? 0.7) : 0;
  const zone = wanted.zone ?? (given.zone ? given.zone.prefer : undefined);
  const zoneMinimum = given.zone ? (given.zone.minimumHealthyShare ?? 0.7) : 0;
  const isNear = (instance: ServiceInstance): boolean => zone !== undefined && instance.zone === zone;
  const names = [...weights.map(([range]) => range), 'other'];
  /** Per group its levels; per level the instances in the zone and the others. */
  const layout = names.map((name) => {
    const ofGroup = onDuty.filter((instance) => groupOf(instance) === name);
    const levels = [...new Set(ofGroup.map(levelOf))].sort((a, b) => a - b);
    const sides = levels.map((number) => {
      const ofLevel = ofGroup.filter((instance) => levelOf(instance) === number);
      return [ofLevel.filter(isNear), ofLevel.filter((instance) => !isNear(instance))];
    });
    return { name, ofGroup, sides };
  });

  /** Whether all calls can be carried together; a minimum of 0 says nothing about that. */
  const bear = (some: readonly (readonly ServiceInstance[])[], minimum: number): boolean => {
    const capacities = some
      .filter((each) => each.length > 0)
      .map((each) => Math.min(1, shareOf(each) / (minimum === 0 ? 1 : minimum)));
    return capacities.reduce((sum, one) => sum + one, 0) >= 1 - 1e-9;
  };
  const isLiving = (some: readonly ServiceInstance[]): boolean => some.some((instance) => well.includes(instance));
  const inPanic = layout.flatMap(({ ofGroup, sides }) => {
    if (!isLiving(ofGroup) && layout.some((other) => isLiving(other.ofGroup))) return [];
    const levels = sides.map((ofLevel) => ofLevel.flat());
    if (bear(levels, levelMinimum)) return [];
    return sides
      .filter((ofLevel) => !bear(ofLevel, zoneMinimum))
      .flatMap((ofLevel) => ofLevel.filter((side) => shareOf(side) < panicThreshold).flat());
  });

  const share = shareOf(onDuty);
  const isTooFew = minimumHealthyShare > 0 && share <= minimumHealthyShare;
  const standIns = failOpen && !isTooFew ? onDuty.filter(({ status }) => status === 'unhealthy') : [];
  const usual = onDuty.filter((instance) => serving.includes(instance) || inPanic.includes(instance));
  if (usual.length === 0 && standIns.length === 0) return 'none_healthy';
  if (isTooFew) return usual.length === 0 ? 'none_healthy' : 'too_few_healthy';
  const isOpen = ({ instanceId }: ServiceInstance): boolean => wanted.refused.includes(instanceId);
  const isFull = (instance: ServiceInstance): boolean => !isOpen(instance) && wanted.full.includes(instance.instanceId);
  const unlessFull = (some: readonly ServiceInstance[], others: readonly ServiceInstance[]): typeof others =>
    some.some(isFull) ? [] : others;
  /** Reachable first, then not unhealthy. */
  const firstOf = (mayTake: (instance: ServiceInstance) => boolean): readonly ServiceInstance[] =>
    [
      usual.filter(isReachable),
      unlessFull(usual.filter(isReachable), standIns.filter(isReachable)),
      usual,
      unlessFull(usual, standIns),
    ]
      .map((some) => some.filter(mayTake))
      .find((some) => some.length > 0) ?? [];
  const available = firstOf((instance) => !isOpen(instance) && !isFull(instance));
  if (available.length === 0) return 'none_available';
  const apartFromRefusals = firstOf(() => true);
  const isFailOpen = apartFromRefusals.every((instance) => !usual.includes(instance));

  const checksCount = healthy.length > 0 && weigh(healthy) >= uncheckedThreshold * weigh(serving);
  /** The smaller the better; each preference outweighs all that follow. */
  const demerits = (instance: ServiceInstance, mindsTried: boolean): number =>
    (!inPanic.includes(instance) && isOutlier(instance) ? 4 : 0) +
    (mindsTried && wanted.exclude?.has(instance.instanceId) ? 2 : 0) +
    (!inPanic.includes(instance) && checksCount && instance.status !== 'healthy' ? 1 : 0);
  const best = (some: readonly ServiceInstance[], mindsTried: boolean): readonly ServiceInstance[] => {
    const least = Math.min(...some.map((instance) => demerits(instance, mindsTried)));
    return some.filter((instance) => demerits(instance, mindsTried) === least);
  };
  const left = best(available, true);
  const fit = inPanic.length > 0 || isFailOpen ? well : best(apartFromRefusals, false);
  const ignoresHealth = (some: readonly ServiceInstance[]): boolean =>
    isFailOpen || some.every((instance) => inPanic.includes(instance));

  /** The fraction of the calls reaching these instances that they can carry. */
  const capacity = (some: readonly ServiceInstance[], minimum: number): number => {
    const able = weigh(some.filter((instance) => fit.includes(instance)));
    if (able === 0) return 0;
    return minimum === 0 ? 1 : Math.min(1, able / weigh(some) / minimum);
  };
  /** Fills vessels with 1 in turn; if they cannot hold it, each is scaled up. */
  const pour = (some: readonly (readonly ServiceInstance[])[], minimum: number): number[] => {
    if (some.every(ignoresHealth)) return some.map((each) => weigh(each) / (weigh(some.flat()) || 1));
    const capacities = some.map((each) => capacity(each, minimum));
    const all = capacities.reduce((sum, one) => sum + one, 0);
    let rest = 1;
    return capacities.map((one) => {
      const taken = Math.min(rest, all > 0 && all < 1 ? one / all : one);
      rest -= taken;
      return taken;
    });
  };

  const shares = new Map<string, number>();
  const inGroup = (name: string): ServiceInstance[] => left.filter((instance) => groupOf(instance) === name);
  const weightOf = (name: string): number => Number(weights.find(([range]) => range === name)?.[1] ?? 0);
  const present = layout.filter(({ name }) => inGroup(name).length > 0);
  const sum = present.reduce((all, { name }) => all + weightOf(name), 0);
  for (const { name, sides } of present) {
    const groupShare = sum > 0 ? weightOf(name) / sum : Number(name === 'other');
    if (groupShare === 0) continue;
    const byLevel = pour(
      sides.map((ofLevel) => ofLevel.flat()),
      levelMinimum,
    );
    const parts = sides.flatMap((ofLevel, index) => {
      const bySide = pour(ofLevel, zoneMinimum);
      return ofLevel.map((side, which) => ({
        load: (byLevel[index] ?? 0) * (bySide[which] ?? 0),
        members: side.filter((instance) => left.includes(instance)),
      }));
    });
    const staffed = parts.filter(({ members }) => members.length > 0);
    const total = staffed.reduce((all, { load }) => all + load, 0);
    staffed.forEach(({ load, members }, index) => {
      const own = total > 0 ? load / total : Number(index === 0);
      if (own > 0) for (const { instanceId } of members) shares.set(instanceId, groupShare * own);
    });
  }
  return shares;
}

const rounded = (shares: Shares): unknown =>
  typeof shares === 'string' ? shares : [...shares].map(([id, share]) => [id, Math.round(share * 1e9) / 1e9]).sort();

describe('select() compared with the simplest implementation', () => {
  it('finds the same instances with the same shares, and reports for every other one what left it out', () => {
    const property = fc.property(list, call, options, (instances, wanted, given) => {
      const leftOut = new Map<string, FilterStage>();
      const preferences = new Preferences(LOAD_BALANCING_OPTIONS.resolve(given));
      const found = select(instances, wanted, preferences, ({ instanceId }, stage) => leftOut.set(instanceId, stage));
      const shares = new Map<string, number>();
      if (found.kind === 'selected') {
        let whole = 0;
        for (const { members, share } of found.pools) {
          whole += share;
          for (const { instanceId } of members) shares.set(instanceId, share);
        }
        assert.ok(Math.abs(whole - 1) < 1e-9, `shares make ${whole}`);
        assert.deepEqual(
          [...shares.keys(), ...leftOut.keys()].sort(),
          instances.map(({ instanceId }) => instanceId).sort(),
        );
      }
      const expected = reference(instances, wanted, given);
      assert.deepEqual(rounded(found.kind === 'selected' ? shares : found.reason), rounded(expected));
    });
    fc.assert(property, modelRuns('eligibility', 1_000));
  });

  it('determines what every strategy picks from, explains and reports as unavailable', () => {
    // Not maglev: building its table is slow, and it finds candidates as the others do.
    const names = fc.constantFrom(...Object.values(LoadBalancingStrategy).filter((name) => name !== 'maglev'));
    const property = fc.property(
      names,
      list,
      list,
      call,
      options,
      fc.integer(),
      (name, first, then, wanted, given, seed) => {
        const balancer = createLoadBalancer(
          { strategy: name, slowStart: {}, ...given },
          { random: seededRandom(seed) },
        );
        balancer.update(first);
        balancer.pick();
        balancer.update(then);
        for (const key of ['k1', 'k2', 'k3']) {
          const context = { ...wanted, key, clientIp: key };
          const { instances, unavailable } = balancer.explain!(context);
          const picked = balancer.pick(context);
          if (picked.kind === 'unavailable') {
            assert.equal(picked.reason, unavailable);
          } else {
            const told = instances.find(({ instanceId }) => instanceId === picked.instance.instanceId);
            assert.equal(
              told?.taken,
              true,
              `${picked.instance.instanceId} was picked, but ${told?.stage}: ${told?.reason}`,
            );
          }
        }
      },
    );
    fc.assert(property, modelRuns('picks', 1_000));
  });
});
