import {
  createLoadBalancer,
  type LoadBalancer,
  type LoadBalancing,
  LoadBalancingStrategy,
  type ServiceInstance,
} from 'nest-service-discovery/core';
import { fakeInstance } from 'nest-service-discovery/testing';
import { stream, zipf } from '../engine/randomness.js';
import { SimClock } from '../engine/sim-clock.js';
import { percent } from '../engine/table.js';
import { hashModulo } from '../peers/hash-modulo.js';
import { atLeast, atMost, compare } from './scenario.js';

const INSTANCES = 10;
const KEYS = 10_000;
const EXPONENT = 1.1;
const IN_FLIGHT = 1_000;
const CALLS = 100_000;
const BOUND = 1.25;

interface Setting {
  readonly name: string;
  readonly loadBalancing: LoadBalancing;
}

const { CONSISTENT_HASH, MAGLEV } = LoadBalancingStrategy;
const STRATEGIES: readonly Setting[] = Object.values(LoadBalancingStrategy).map((name) => ({
  name,
  loadBalancing: name,
}));
const UNBOUNDED = STRATEGIES.find(({ name }) => name === CONSISTENT_HASH)!;
const bounded = (strategy: typeof CONSISTENT_HASH | typeof MAGLEV, boundedLoad: number): Setting => ({
  name: `${strategy}, bounded at ${boundedLoad}`,
  loadBalancing: { strategy, hash: { boundedLoad } },
});
const BOUNDED = [bounded(CONSISTENT_HASH, BOUND), bounded(MAGLEV, BOUND)];

const SETTINGS: readonly Setting[] = [
  { name: 'hash modulo the number of instances', loadBalancing: hashModulo },
  ...STRATEGIES,
  bounded(CONSISTENT_HASH, 2),
  ...BOUNDED,
];

interface Loads {
  /** Calls of the busiest instance, relative to the mean. */
  readonly hottest: number;
  /** The maximum calls in flight at an instance when it received another one, relative to the mean at that time. */
  readonly peak: number;
  /** The share of calls that went to the usual instance of their key. */
  readonly atHome: number;
  /** The share of keys that move when an instance is added. */
  readonly moved: number;
}

/** A few keys have most of the calls: the instances that own them are overloaded, unless their load is bounded. */
export const boundedLoads = compare({
  name: 'bounded-loads',
  about:
    `${CALLS.toLocaleString('en-US')} calls with ${KEYS.toLocaleString('en-US')} keys, by Zipf's law with exponent ${EXPONENT}, to ` +
    `${INSTANCES} instances; ${IN_FLIGHT.toLocaleString('en-US')} calls are in flight at any time.`,
  settings: SETTINGS,
  bounded: [UNBOUNDED, ...BOUNDED],
  measure: spread,
  head: ['hottest instance', 'peak load', 'calls where their key is at home', 'keys moved by an 11th'],
  cells: ({ hottest, peak, atHome, moved }) => [times(hottest), times(peak), percent(atHome, 1), percent(moved, 1)],
  bounds: (of) => [
    atLeast('Hottest instance without a bound', of(UNBOUNDED).hottest, 1.5, times),
    ...BOUNDED.map((one) => atMost(`Peak load with ${one.name}`, of(one).peak, 1.26, times)),
    ...[UNBOUNDED, ...BOUNDED].map((one) =>
      atMost(`Keys moved with ${one.name}`, of(one).moved, (one.name.startsWith(MAGLEV) ? 1.6 : 1.1) / 11, percent),
    ),
  ],
});

function spread({ loadBalancing }: Setting, seed: number): Promise<Loads> {
  const keyOf = (rank: number): string => `${seed}-${rank}`;
  const balancer = balancerOf(loadBalancing, seed);
  const moved = shareMoved(balancer, keyOf);

  const random = stream(seed, 'calls');
  const rank = zipf(random, KEYS, EXPONENT);
  const active = new Map(instances(INSTANCES).map(({ instanceId }) => [instanceId, 0]));
  const total = new Map<string, number>();
  const byKey = new Map<number, Map<string, number>>();
  const inFlight: (() => void)[] = [];
  let peak = 0;
  for (let n = 0; n < CALLS; n++) {
    if (inFlight.length === IN_FLIGHT) {
      const ending = Math.floor(random() * IN_FLIGHT);
      const last = inFlight.pop()!;
      (ending === inFlight.length ? last : inFlight.splice(ending, 1, last)[0]!)();
    }
    const key = rank();
    const { instance, end } = begin(balancer, keyOf(key));
    const id = instance.instanceId;
    const load = active.get(id)! + 1;
    active.set(id, load);
    inFlight.push(() => {
      active.set(id, active.get(id)! - 1);
      end();
    });
    total.set(id, (total.get(id) ?? 0) + 1);
    const homes = byKey.get(key) ?? new Map<string, number>();
    byKey.set(key, homes.set(id, (homes.get(id) ?? 0) + 1));
    if (inFlight.length === IN_FLIGHT) peak = Math.max(peak, (load * INSTANCES) / IN_FLIGHT);
  }
  const hottest = (Math.max(...total.values()) * INSTANCES) / CALLS;
  const atHome = [...byKey.values()].reduce((sum, homes) => sum + Math.max(...homes.values()), 0) / CALLS;
  return Promise.resolve({ hottest, peak, atHome, moved });
}

function balancerOf(loadBalancing: LoadBalancing, seed: number): LoadBalancer {
  return createLoadBalancer(loadBalancing, { clock: new SimClock(), random: stream(seed, 'balancer') });
}

/** Leaves the balancer with its initial instances. */
function shareMoved(balancer: LoadBalancer, keyOf: (rank: number) => string): number {
  const homes = (count: number): string[] => {
    balancer.update(instances(count));
    return Array.from({ length: KEYS }, (_, rank) => {
      const { instance, end } = begin(balancer, keyOf(rank));
      end();
      return instance.instanceId;
    });
  };
  const after = homes(INSTANCES + 1);
  const before = homes(INSTANCES);
  return before.filter((home, rank) => home !== after[rank]).length / KEYS;
}

function instances(count: number): ReturnType<typeof fakeInstance>[] {
  return Array.from({ length: count }, (_, n) => fakeInstance({ instanceId: `i${n}`, port: 8_000 + n }));
}

function begin(balancer: LoadBalancer, key: string): { instance: ServiceInstance; end: () => void } {
  const picked = balancer.pick({ key, clientIp: key });
  if (picked.kind !== 'picked') throw new Error(picked.reason);
  return {
    instance: picked.instance,
    end: () => picked.done({ kind: 'response', status: 200, latencyMs: 10 }),
  };
}

function times(value: number): string {
  return `${value.toFixed(2)} ×`;
}
