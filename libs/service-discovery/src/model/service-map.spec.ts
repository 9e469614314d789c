import { describe, expect, it } from '@jest/globals';
import { seededRandom } from '../common/index.js';
import { fakeInstance } from '../testing/fake-instance.js';
import { type ServiceInstance } from './instance.js';
import { ServiceMap } from './service-map.js';

const list = (serviceName: string): readonly ServiceInstance[] => [fakeInstance({ serviceName })];

/** Everything that a reader can query. */
const viewOf = (map: ReadonlyMap<string, readonly ServiceInstance[]>, names: readonly string[]) => {
  const visited: unknown[] = [];
  map.forEach((value, key) => visited.push([key, value]));
  const byName = ([a]: [string, unknown], [b]: [string, unknown]): number => (a < b ? -1 : 1);
  return {
    size: map.size,
    entries: [...map].sort(byName),
    keys: [...map.keys()].sort(),
    values: new Set(map.values()),
    visited: (visited as [string, unknown][]).sort(byName),
    got: names.map((name) => [map.get(name), map.has(name)]),
  };
};

describe('ServiceMap', () => {
  it('reads like a Map with the same changes, at every step', () => {
    const random = seededRandom(7);
    const names = Array.from({ length: 60 }, (_, n) => `service-${n}`);
    const plain = new Map<string, readonly ServiceInstance[]>();
    let map = ServiceMap.EMPTY;
    for (let step = 0; step < 1_000; step++) {
      const name = names[Math.floor(random() * names.length)]!;
      const next = random() < 0.4 ? [] : list(name);
      map = map.with(name, next);
      if (next.length > 0) plain.set(name, next);
      else plain.delete(name);
      expect(viewOf(map, names)).toEqual(viewOf(plain, names));
    }
  });

  it('is not affected by its successors', () => {
    const names = Array.from({ length: 40 }, (_, n) => `service-${n}`);
    const steps = [ServiceMap.EMPTY];
    for (const name of names) steps.push(steps.at(-1)!.with(name, list(name)));
    for (const name of names) steps.push(steps.at(-1)!.with(name, []));
    expect(steps.map(({ size }) => size)).toEqual([...steps.keys()].map((n) => Math.min(n, 2 * names.length - n)));
    expect(steps.map((map) => [...map].length)).toEqual(steps.map(({ size }) => size));
  });

  it('lists services in insertion order', () => {
    const names = Array.from({ length: 40 }, (_, n) => `service-${n}`);
    const map = names.reduce((before, name) => before.with(name, list(name)), ServiceMap.EMPTY);
    expect([...map.with('service-3', list('service-3')).keys()]).toEqual(names);
  });
});
