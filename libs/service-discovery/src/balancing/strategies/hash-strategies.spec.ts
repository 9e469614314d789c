import { describe, expect, it } from '@jest/globals';
import { type Outcome, type Random, seededRandom } from '../../common/index.js';
import { type ServiceInstance } from '../../model/index.js';
import { fakeInstance } from '../../testing/fake-instance.js';
import { type LoadBalancer, type PickContext } from '../load-balancer.js';
import { createLoadBalancer, type LoadBalancing } from '../load-balancing.js';
import { type Candidate } from './strategy.js';
import { Keyed } from './keyed.js';
import { rendezvousTables } from './rendezvous-table.js';
import { WeightedRandom } from './weighted-random.js';
import { FIRST_MEMBER_SEED, stableHash } from './stable-hash.js';

const ANSWERED: Outcome = { kind: 'response', status: 200, latencyMs: 5 };
const HASHES = ['consistent_hash', 'maglev'] as const;

const address = (number: number): string => `10.0.${number >> 8}.${number & 255}:8080`;
const many = (count: number, from = 0): ServiceInstance[] =>
  Array.from({ length: count }, (_, index) => fakeInstance({ instanceId: address(from + index) }));
const keys = (count: number): string[] => Array.from({ length: count }, (_, index) => `user-${index}`);

function create(balancing: LoadBalancing, instances: readonly ServiceInstance[], random?: Random): LoadBalancer {
  const balancer = createLoadBalancer(balancing, { random: random ?? seededRandom(1) });
  balancer.update(instances);
  return balancer;
}

function pick(balancer: LoadBalancer, context: PickContext): string {
  const result = balancer.pick(context);
  if (result.kind !== 'picked') throw new Error(result.reason);
  result.done(ANSWERED);
  return result.instance.instanceId;
}

const owners = (balancer: LoadBalancer, of: readonly string[], context?: PickContext): string[] =>
  of.map((key) => pick(balancer, { ...context, key }));
const refusing =
  (...ids: string[]): NonNullable<PickContext['refusal']> =>
  ({ instanceId }) =>
    ids.includes(instanceId) ? 'circuit_open' : undefined;

function countsOf(ids: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}

describe.each(HASHES)('%s', (name) => {
  it('sends the same key to the same instance over time and from every process', () => {
    const [one, other] = [create(name, many(10)), create(name, many(10).reverse(), seededRandom(99))];
    const before = owners(one, keys(200));
    expect(owners(one, keys(200))).toEqual(before);
    expect(owners(other, keys(200))).toEqual(before);
    one.update([...many(10, 3).slice(0, 7), ...many(3)].map((each) => ({ ...each, metadata: { changed: true } })));
    expect(owners(one, keys(200))).toEqual(before);
  });

  it('spreads the keys of an instance that leaves over all others, and moves no other key', () => {
    const balancer = create(name, many(10));
    const before = owners(balancer, keys(5_000));
    balancer.update(many(9));
    const after = owners(balancer, keys(5_000));
    const gone = address(9);
    const heirs = countsOf(after.filter((_, index) => before[index] === gone));
    expect([...heirs.keys()].sort()).toEqual(many(9).map(({ instanceId }) => instanceId));
    if (name === 'consistent_hash') {
      expect(after.filter((id, index) => id !== before[index] && before[index] !== gone)).toEqual([]);
    }
    balancer.update(many(10));
    expect(owners(balancer, keys(5_000))).toEqual(before);
  });

  it.each(['unhealthy', 'draining', 'maintenance'] as const)(
    'spreads the keys of an instance that is %s over all others in every process, and moves no other key',
    (status) => {
      const balancer = create(name, many(10));
      const before = owners(balancer, keys(5_000));
      const ill = address(4);
      const list = many(10).map((each) => (each.instanceId === ill ? { ...each, status } : each));
      balancer.update(list);
      const during = owners(balancer, keys(5_000));
      before.forEach((owner, index) => {
        if (owner !== ill) expect(during[index]).toBe(owner);
      });
      const heirs = countsOf(during.filter((_, index) => before[index] === ill));
      const others = many(10).filter(({ instanceId }) => instanceId !== ill);
      expect([...heirs.keys()].sort()).toEqual(others.map(({ instanceId }) => instanceId));
      const taken = [...heirs.values()].reduce((sum, count) => sum + count, 0);
      expect(Math.max(...heirs.values())).toBeLessThan(1.5 * (taken / 9));
      expect(owners(create(name, list.toReversed()), keys(5_000))).toEqual(during);
      balancer.update(many(10));
      expect(owners(balancer, keys(5_000))).toEqual(before);
      balancer.update(list);
      balancer.update(others);
      expect(owners(balancer, keys(5_000))).toEqual(owners(create(name, others), keys(5_000)));
    },
  );

  it('moves no other key of a zone or version when one of its instances becomes unhealthy', () => {
    const list = many(12).map((each, index) => ({
      ...each,
      zone: index % 2 === 0 ? 'near' : 'far',
      version: index % 4 < 2 ? '1.0.0' : '2.0.0',
    }));
    const ill = address(2);
    const state = list.with(2, { ...list[2]!, status: 'unhealthy' });
    for (const options of [
      { zone: { prefer: 'near', minimumHealthyShare: 0.5 } },
      { versionWeights: { '1.x': 1, '2.x': 1 } },
    ]) {
      const balancer = create({ strategy: name, ...options }, list);
      const before = owners(balancer, keys(2_000));
      expect(before).toContain(ill);
      balancer.update(state);
      const during = owners(balancer, keys(2_000));
      expect(during.filter((id, index) => id !== before[index] && before[index] !== ill)).toEqual([]);
    }
  });

  it('uses only the members of a subset', () => {
    const balancer = create({ strategy: name, subset: { size: 5, clientId: 'c' } }, many(50));
    const owned = owners(balancer, keys(500));
    const members = many(50).filter(({ instanceId }) => owned.includes(instanceId));
    expect(members).toHaveLength(5);
    expect(owned).toEqual(owners(create(name, members), keys(500)));
  });

  it('keeps absences from several lists apart: of a zone, and without outliers', () => {
    const list = many(12).map((each, index) => ({ ...each, zone: index % 2 === 0 ? 'near' : 'far' }));
    const contexts: PickContext[] = [
      {},
      { zone: 'near' },
      { zone: 'far' },
      { avoid: new Set([address(0), address(3)]) },
    ];
    const balancer = create(name, list);
    const states = [list, list.with(2, { ...list[2]!, status: 'unhealthy' }), list.slice(0, 11)];
    for (const state of [...states, ...states.toReversed()]) {
      balancer.update(state);
      for (const context of contexts) {
        expect(owners(balancer, keys(100), context)).toEqual(owners(create(name, state), keys(100), context));
      }
    }
  });

  it('the breaker-open owner of a hash key gives way to the next', () => {
    const balancer = create(name, many(10));
    const before = owners(balancer, keys(2_000));
    const [open] = before as [string];
    const refusal = refusing(open);
    const during = owners(balancer, keys(2_000), { refusal });
    expect(during).not.toContain(open);
    before.forEach((owner, index) => {
      if (owner !== open) expect(during[index]).toBe(owner);
    });
    // Its keys are spread over all others, and each key stays at its next one.
    const heirs = countsOf(during.filter((_, index) => before[index] === open));
    expect(heirs.size).toBe(9);
    expect(owners(balancer, keys(2_000), { refusal })).toEqual(during);
    expect(owners(balancer, keys(2_000))).toEqual(before);
  });

  it('sends a retry to the next one, and a second retry to the one after that', () => {
    const balancer = create(name, many(5));
    for (const key of keys(50)) {
      const [first, second] = [
        pick(balancer, { key }),
        pick(balancer, { key, refusal: refusing(pick(balancer, { key })) }),
      ];
      expect(pick(balancer, { key, exclude: new Set([first]) })).toBe(second);
      const third = pick(balancer, { key, exclude: new Set([first, second]) });
      expect([first, second]).not.toContain(third);
      expect(pick(balancer, { key, refusal: refusing(first, second) })).toBe(third);
    }
  });

  it('finds the last instance that can take calls among many that cannot', () => {
    const all = many(200);
    const balancer = create(name, all);
    const last = address(123);
    const refusal = refusing(...all.map(({ instanceId }) => instanceId).filter((id) => id !== last));
    expect(new Set(owners(balancer, keys(20), { refusal }))).toEqual(new Set([last]));
  });

  it('finds an owner within a zone, and among unchecked instances if no other is left', () => {
    const far = many(5).map((each) => ({ ...each, zone: 'far' }));
    const near = many(5, 5).map((each) => ({ ...each, zone: 'near' }));
    const balancer = create(name, [...far, ...near]);
    const inZone = owners(balancer, keys(100), { zone: 'near' });
    expect(inZone).toEqual(owners(create(name, near), keys(100)));
    balancer.update([...many(2), ...many(3, 2).map((each) => ({ ...each, status: 'unknown' as const }))]);
    const unchecked = owners(balancer, keys(100), { refusal: refusing(address(0), address(1)) });
    expect(new Set(unchecked)).toEqual(new Set([address(2), address(3), address(4)]));
  });

  it('gives each instance a share of the keys in proportion to its weight', () => {
    const weights = [100, 200, 300, 1, 99, 300];
    const instances = many(6).map((each, index) => ({ ...each, weight: weights[index] ?? 0 }));
    const counts = countsOf(owners(create(name, instances), keys(50_000)));
    weights.forEach((weight, index) => {
      const due = (50_000 * weight) / 1_000;
      const allowed = Math.max(0.06 * due, 25);
      expect(Math.abs((counts.get(address(index)) ?? 0) - due)).toBeLessThan(allowed);
    });
  });

  it('uses the fallback for calls without a key', () => {
    const instances = many(3).map((each, index) => ({ ...each, weight: index + 1 }));
    for (const fallback of ['round_robin', 'weighted_round_robin', 'least_connections', 'random'] as const) {
      for (let seed = 1; seed <= 5; seed++) {
        const alone = create(fallback, instances, seededRandom(seed));
        const balancer = create({ strategy: name, hash: { fallback } }, instances, seededRandom(seed));
        for (let call = 0; call < 20; call++) {
          if (call % 5 === 0) pick(balancer, { key: `user-${call}` });
          expect(pick(balancer, {})).toBe(pick(alone, {}));
        }
      }
    }
  });

  it('reads the key from the configured source', () => {
    const balancer = create({ strategy: name, hash: { on: [{ header: 'x-user' }, 'path'] } }, many(10));
    const byKey = create(name, many(10));
    const [byUser, byPath] = [pick(byKey, { key: 'u7' }), pick(byKey, { key: '/users/7' })];
    expect(pick(balancer, { headers: { 'X-User': 'u7' }, path: '/users/7', key: 'other' })).toBe(byUser);
    expect(pick(balancer, { path: '/users/7?page=2' })).toBe(byPath);
  });

  it('reports the key in an explanation', () => {
    expect(create(name, many(2)).explain?.({ key: 'u7' })).toMatchObject({ strategy: name, key: 'u7' });
  });
});

describe('the tables of keys', () => {
  it('are built once for the registered instances in any state, and again for another list or weight', () => {
    let built = 0;
    const deps = { random: seededRandom(1) };
    const strategy = new Keyed<Candidate>(
      (members) => {
        built++;
        return rendezvousTables<Candidate>()(members);
      },
      new WeightedRandom(deps.random),
      false,
    );
    const balancer = createLoadBalancer(() => strategy, deps);
    const list = many(5);
    const next = (state: readonly ServiceInstance[], avoid?: ReadonlySet<string>): number => {
      balancer.update(state);
      pick(balancer, { key: 'k', avoid });
      return built;
    };
    expect(next(list)).toBe(1);
    expect(next(list.with(0, { ...list[0]!, status: 'unhealthy' }))).toBe(1);
    expect(next(list.with(1, { ...list[1]!, status: 'draining' }))).toBe(1);
    expect(next(list)).toBe(1);
    expect(next(list.slice(1))).toBe(2);
    expect(next(list.slice(1).with(0, { ...list[1]!, weight: 7 }))).toBe(3);
  });
});

describe('consistent_hash', () => {
  it.each([
    [10, 1],
    [100, 1],
    [1_000, 10],
  ])('a consistent hash moves 1/(n+1) of the keys: %i instances and %i more', (n, newcomers) => {
    const balancer = create('consistent_hash', many(n));
    const sample = keys(50_000);
    const before = owners(balancer, sample);
    balancer.update(many(n + newcomers));
    const after = owners(balancer, sample);
    const moved = after.filter((id, index) => id !== before[index]);
    expect(new Set(moved)).toEqual(new Set(many(newcomers, n).map(({ instanceId }) => instanceId)));
    const due = (newcomers * sample.length) / (n + newcomers);
    expect(moved.length).toBeLessThanOrEqual(1.1 * due);
    expect(moved.length).toBeGreaterThanOrEqual(0.9 * due);
  });

  it('moves only keys from or to the instance whose weight changes, in proportion to the change', () => {
    const balancer = create('consistent_hash', many(10));
    const before = owners(balancer, keys(20_000));
    const changed = address(4);
    balancer.update(many(10).map((each) => (each.instanceId === changed ? { ...each, weight: 50 } : each)));
    const after = owners(balancer, keys(20_000));
    const movedFrom = before.filter((id, index) => id !== after[index]);
    expect(new Set(movedFrom)).toEqual(new Set([changed]));
    // From 10/100 to 5/95 of the keys.
    expect(movedFrom.length / 20_000).toBeCloseTo(0.1 - 5 / 95, 2);
  });

  it('distinguishes two ids with one equal hash', () => {
    const byHash = new Map<number, string>();
    let alike: [string, string] | undefined;
    for (let number = 0; !alike; number++) {
      const id = `instance-${number}`;
      const hash = stableHash(id, FIRST_MEMBER_SEED);
      const known = byHash.get(hash);
      if (known !== undefined) alike = [known, id];
      byHash.set(hash, id);
    }
    const balancer = create(
      'consistent_hash',
      alike.map((instanceId) => fakeInstance({ instanceId })),
    );
    const counts = countsOf(owners(balancer, keys(1_000)));
    for (const id of alike) expect(counts.get(id)).toBeGreaterThan(400);
  });

  it('distinguishes any two ids, also similar ones', () => {
    const counts = countsOf(owners(create('consistent_hash', many(1_000)), keys(50_000)));
    expect(counts.size).toBe(1_000);
    expect(Math.max(...counts.values())).toBeLessThan(50 * 1.6);
    expect(Math.min(...counts.values())).toBeGreaterThan(50 * 0.5);
  });
});

describe('ip_hash', () => {
  it("is a consistent hash of the client's address and ignores other keys", () => {
    const [balancer, byKey] = [create('ip_hash', many(10)), create('consistent_hash', many(10))];
    const ips = keys(100).map((_, index) => `192.168.0.${index}`);
    const owned = ips.map((clientIp, index) => pick(balancer, { clientIp, key: `other-${index}` }));
    expect(owned).toEqual(owners(byKey, ips));
    const byOption = create({ strategy: 'ip_hash', hash: { on: { header: 'x-user' } } }, many(10));
    expect(ips.map((clientIp) => pick(byOption, { clientIp, headers: { 'x-user': 'u' } }))).toEqual(owned);
  });
});
