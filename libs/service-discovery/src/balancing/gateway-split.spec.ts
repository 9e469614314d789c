import { describe, expect, it } from '@jest/globals';
import { seededRandom } from '../common/index.js';
import { gatewayAt } from '../model/index.js';
import { fakeInstance } from '../testing/fake-instance.js';
import { GatewaySplit } from './gateway-split.js';
import { type PickContext } from './load-balancer.js';
import { createLoadBalancer } from './load-balancing.js';

const GATEWAY = gatewayAt('users', 'http://kong:8000/users')!;

function splitOf(share: number, ids: readonly string[] = ['a', 'b']) {
  const direct = createLoadBalancer('round_robin');
  direct.update(ids.map((instanceId) => fakeInstance({ instanceId, version: '1.0.0', tags: ['api'] })));
  const split = new GatewaySplit(GATEWAY, share, seededRandom(7));
  const pick = (context: PickContext = {}): string => {
    const picked = split.pick(context, direct);
    return picked.kind === 'picked' ? picked.instance.instanceId : picked.reason;
  };
  /** The per cent of 1,000 picks that go through the gateway. */
  const viaShare = (context?: PickContext): number =>
    Array.from({ length: 1_000 }, () => pick(context)).filter((id) => id === GATEWAY.instanceId).length / 10;
  const among = (context: PickContext = {}): string[] =>
    split.among([fakeInstance({ instanceId: 'a' })], context).map(({ instanceId }) => instanceId);
  const explain = (context: PickContext = {}) => split.explain(direct.explain!(context), context).instances;
  return { pick, viaShare, among, explain };
}

const without = (...ids: string[]): PickContext => ({ exclude: new Set(ids) });
const refusing = (...ids: string[]): PickContext => ({
  refusal: ({ instanceId }) => (ids.includes(instanceId) ? 'circuit_open' : undefined),
});
const VIA = 'via-kong:8000';

describe('a split between a gateway and instances', () => {
  it.each([0, 1, 12.5, 20, 50, 99, 100])('sends %d %% of the calls through the gateway', (share) => {
    expect(splitOf(share).viaShare()).toBeCloseTo(share, share === 0 || share === 100 ? 5 : 0);
  });

  it('sends calls with one key the same way', () => {
    const { pick } = splitOf(50);
    const ways = Array.from({ length: 400 }, (_, key) => {
      const ids = Array.from({ length: 3 }, () => pick({ key: `k${key}` }) === VIA);
      expect(new Set(ids).size).toBe(1);
      return ids[0];
    });
    // A deviation of five times that of as many coins.
    expect(Math.abs(ways.filter(Boolean).length - 200)).toBeLessThan(50);
  });

  it('sends calls directly that ask for a version, tags or another protocol', () => {
    const { viaShare, pick } = splitOf(100);
    for (const criteria of [{ version: '1.x' }, { tags: ['api'] }]) expect(viaShare(criteria)).toBe(0);
    expect(pick({ protocol: 'https' })).toBe('no_match');
    expect(viaShare({ tags: [], protocol: 'http' })).toBe(100);
  });

  it('uses the other way for a retry where everything of one was tried', () => {
    const { viaShare, pick } = splitOf(20);
    expect(viaShare(without(VIA))).toBe(0);
    expect(viaShare(without('a'))).toBeCloseTo(20, 0);
    expect(viaShare(without('a', 'b'))).toBe(100);
    expect(['a', 'b', VIA]).toContain(pick(without('a', 'b', VIA)));
  });

  it('uses the other way while one cannot take calls', () => {
    const { viaShare, pick } = splitOf(20);
    expect(viaShare(refusing(VIA))).toBe(0);
    expect(viaShare({ unreachable: new Set([VIA]) })).toBe(0);
    expect(viaShare(refusing('a', 'b'))).toBe(100);
    expect(pick(refusing('a', 'b', VIA))).toBe('none_available');
    expect(splitOf(20, []).viaShare()).toBe(100);
  });

  it('never uses the other way with a share of 0 or 100', () => {
    expect(splitOf(0, []).pick()).toBe('no_instances');
    expect(splitOf(0).pick(refusing('a', 'b'))).toBe('none_available');
    expect(splitOf(100).pick(refusing(VIA))).toBe('none_available');
    expect(splitOf(100, []).viaShare(without(VIA))).toBe(100);
  });

  it('offers retries only the ways that calls may take', () => {
    expect(splitOf(0).among()).toEqual(['a']);
    expect(splitOf(20).among()).toEqual(['a', VIA]);
    expect(splitOf(100).among()).toEqual([VIA]);
    expect(splitOf(100).among({ version: '1.x' })).toEqual(['a']);
  });

  it('explains the share of both ways', () => {
    expect(splitOf(20).explain()).toMatchObject([
      { instanceId: 'a', taken: true, poolShare: 0.8 },
      { instanceId: 'b', taken: true, poolShare: 0.8 },
      { instanceId: VIA, taken: true, poolShare: 0.2 },
    ]);
    expect(splitOf(100).explain()[0]).toMatchObject({ taken: false, stage: 'share', poolShare: undefined });
    expect(splitOf(100).explain({ version: '1.x' })[2]).toMatchObject({ taken: false, stage: 'share' });
  });
});
