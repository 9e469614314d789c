import { describe, expect, it } from '@jest/globals';
import { type LoadBalancing, mergeLoadBalancing, resolveLoadBalancing } from './load-balancing.js';

describe('resolveLoadBalancing', () => {
  it('resolves a name, a factory, a class and options to a name, a maker and options', () => {
    const make: LoadBalancing = () => ({ choose: (candidates) => candidates[0]! });
    expect(resolveLoadBalancing('random')).toMatchObject({ name: 'random', options: { slowStart: false } });
    expect(resolveLoadBalancing(make)).toMatchObject({ name: 'make', make });
    expect(resolveLoadBalancing({ strategy: make, uncheckedThreshold: 0 })).toMatchObject({
      name: 'make',
      make,
      options: { uncheckedThreshold: 0 },
    });
  });
});

describe('mergeLoadBalancing', () => {
  it.each<[string, LoadBalancing | undefined, LoadBalancing | undefined, LoadBalancing | undefined]>([
    ['nothing over nothing', undefined, undefined, undefined],
    ['nothing over a name', 'random', undefined, 'random'],
    ['a name over a name', 'random', 'p2c_ewma', 'p2c_ewma'],
    ['a name over options', { slowStart: {} }, 'random', { slowStart: {}, strategy: 'random' }],
    ['options over a name', 'random', { slowStart: {} }, { strategy: 'random', slowStart: {} }],
    [
      'options over options',
      { strategy: 'random', panicThreshold: 0.5, uncheckedThreshold: 0 },
      { strategy: undefined, panicThreshold: 0 },
      { strategy: 'random', panicThreshold: 0, uncheckedThreshold: 0 },
    ],
  ])('merges %s', (_what, base, over, merged) => {
    expect(mergeLoadBalancing(base, over)).toEqual(merged);
  });
});
