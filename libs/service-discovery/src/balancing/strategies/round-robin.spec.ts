import { beforeEach, describe, expect, it } from '@jest/globals';
import { type Random, seededRandom } from '../../common/index.js';
import { type ServiceInstance } from '../../model/index.js';
import { fakeInstance } from '../../testing/fake-instance.js';
import { createLoadBalancer } from '../load-balancing.js';
import { type LoadBalancer, type PickContext } from '../load-balancer.js';

const instance = (instanceId: string, more: Partial<ServiceInstance> = {}): ServiceInstance =>
  fakeInstance({ instanceId, ...more });
const instances = (ids: string): ServiceInstance[] => [...ids].map((id) => instance(id));

describe('round robin', () => {
  let balancer: LoadBalancer;

  const create = (random: Random, ids: string): void => {
    balancer = createLoadBalancer('round_robin', { random });
    balancer.update(instances(ids));
  };
  const picks = (count: number, context?: PickContext): string =>
    Array.from({ length: count }, () => {
      const result = balancer.pick(context);
      return result.kind === 'picked' ? result.instance.instanceId : '-';
    }).join('');

  beforeEach(() => create(() => 0, 'abc'));

  it('goes in turn', () => {
    expect(picks(9)).toBe('abcabcabc');
  });

  it('ignores weights other than 0', () => {
    balancer.update([instance('a', { weight: 1 }), instance('b', { weight: 1_000 }), instance('c', { weight: 0 })]);
    expect(picks(6)).toBe('ababab');
  });

  it('has a random order, so that processes are not in step and do not send the calls of one instance to the same next', () => {
    const orders = new Set<string>();
    for (let seed = 0; seed < 200; seed++) {
      create(seededRandom(seed), 'abc');
      const order = picks(3);
      expect([...order].sort().join('')).toBe('abc');
      expect(picks(6)).toBe(order + order);
      orders.add(order);
    }
    expect([...orders].sort()).toEqual(['abc', 'acb', 'bac', 'bca', 'cab', 'cba']);
  });

  it('continues its order when the list is published again', () => {
    expect(picks(2)).toBe('ab');
    balancer.update(instances('abc'));
    expect(picks(2)).toBe('ca');
    balancer.update(instances('cba'));
    expect(picks(3)).toBe('bca');
  });

  it('gives each instance its share of a list that flaps', () => {
    create(seededRandom(1), 'abc');
    const counts: Record<string, number> = { a: 0, b: 0, c: 0 };
    for (let call = 0; call < 300; call++) {
      balancer.update(instances(call % 2 === 0 ? 'abc' : 'ab'));
      const id = picks(1);
      counts[id] = (counts[id] ?? 0) + 1;
    }
    // c is listed every other time, and gets at most a third of those calls.
    expect(counts.c).toBeGreaterThan(20);
    expect(counts.c).toBeLessThanOrEqual(100);
    expect(Math.abs((counts.a ?? 0) - (counts.b ?? 0))).toBeLessThanOrEqual(1);
  });

  it('picks an instance that was unavailable for long once, not until it has caught up', () => {
    balancer.update([instance('a'), instance('b'), instance('c', { status: 'unhealthy' })]);
    expect(picks(6)).toBe('ababab');
    balancer.update(instances('abc'));
    expect(picks(6)).toBe('cabcab');
  });

  it('keeps its order through an outage of all instances', () => {
    create(seededRandom(5), 'abcde');
    const order = picks(5);
    expect(picks(2)).toBe(order.slice(0, 2));
    for (const status of ['maintenance', 'draining'] as const) {
      balancer.update([...'abcde'].map((id) => instance(id, { status })));
      expect(picks(1)).toBe('-');
    }
    balancer.update(instances('edcba'));
    expect(picks(8)).toBe(order.slice(2) + order);
  });

  it('stays even within parts of the list and the whole list when picks alternate between them', () => {
    const zones = { a: 'x', b: 'x', c: 'y', d: 'y', e: 'y' };
    balancer.update(Object.entries(zones).map(([id, zone]) => instance(id, { zone })));
    const counts: Record<string, number> = {};
    for (let call = 0; call < 600; call++) {
      const id = picks(1, call % 2 === 0 ? {} : { zone: call % 3 === 0 ? 'x' : 'y' });
      counts[id] = (counts[id] ?? 0) + 1;
    }
    const { a = 0, b = 0, c = 0, d = 0, e = 0 } = counts;
    expect(Math.abs(a - b)).toBeLessThanOrEqual(1);
    expect(Math.max(c, d, e) - Math.min(c, d, e)).toBeLessThanOrEqual(1);
    for (const calls of [a, b, c, d, e]) expect(calls).toBeGreaterThanOrEqual(90);
  });

  it('gives an instance that joins a random position in the queue, within one round', () => {
    const places = [0.1, 0.5, 0.9].map((draw) => {
      let joins = false;
      create(() => (joins ? draw : 0), 'abc');
      joins = true;
      picks(3);
      balancer.update(instances('abcd'));
      return picks(8);
    });
    expect(places).toEqual(['abdcabdc', 'adbcadbc', 'dabcdabc']);
  });

  it('stays fair when some picks exclude an instance', () => {
    const withoutA = { exclude: new Set(['a']) };
    expect(picks(1)).toBe('a');
    expect(picks(1, withoutA)).toBe('b');
    expect(picks(1)).toBe('c');
    expect(picks(1, withoutA)).toBe('b');
    expect(picks(1)).toBe('a');
    expect(picks(3)).toBe('cba');
  });

  it('moves an instance that was picked out of turn to the end of the queue', () => {
    create(() => 0, 'abcd');
    expect(picks(2)).toBe('ab');
    expect(picks(1, { exclude: new Set(['b', 'c', 'd']) })).toBe('a');
    expect(picks(8)).toBe('cdbacdba');
  });

  it('picks the instance that has waited longest from any part of the list', () => {
    balancer.update([instance('a', { zone: 'x' }), instance('b', { zone: 'y' }), instance('c', { zone: 'y' })]);
    expect(picks(4, { zone: 'y' })).toBe('bcbc');
    expect(picks(4)).toBe('abca');
  });

  it('counts a pick from a part of the list as a turn in the whole, and vice versa', () => {
    const zones = { a: 'x', b: 'x', c: 'y', d: 'y' };
    balancer.update(Object.entries(zones).map(([id, zone]) => instance(id, { zone })));
    const near = { zone: 'y' };
    expect(picks(1) + picks(1, near) + picks(2) + picks(2, near) + picks(2)).toBe('acbdcdab');
  });

  it('skips instances that refuse, and keeps the others even', () => {
    create(() => 0, 'abcd');
    const refusal: PickContext['refusal'] = ({ instanceId }) => (instanceId === 'b' ? 'circuit_open' : undefined);
    expect(picks(9, { refusal })).toBe('acdacdacd');
    expect(picks(8)).toBe('abcdabcd');
  });
});
