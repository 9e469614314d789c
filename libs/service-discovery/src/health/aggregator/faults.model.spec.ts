import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { modelRuns } from '../../../../../test/support/model-runs.js';
import { type AggregatedStatus, type Fault } from './aggregated-health.js';
import { type DependentService, findFaults } from './faults.js';

type Services = ReadonlyMap<string, DependentService>;

/** A reference that follows every path and applies each documented rule separately. */
function plainly(services: Services, missing: ReadonlySet<string>): { faults: Fault[]; affectedBy: string[] } {
  const names = [...new Set([...services.keys(), ...missing])].sort();
  const reaches = (from: string, to: string, seen = new Set<string>()): boolean =>
    (services.get(from)?.dependencies ?? []).some((next) => {
      if (next === to) return true;
      if (seen.has(next)) return false;
      seen.add(next);
      return reaches(next, to, seen);
    });
  const isBad = (name: string): boolean => missing.has(name) || services.get(name)?.status === 'unhealthy';
  const bad = names.filter(isBad);
  const inOneCircle = (a: string, b: string): boolean => a === b || (reaches(a, b) && reaches(b, a));
  const roots = bad.filter((name) => bad.every((other) => !reaches(name, other) || inOneCircle(name, other)));
  const groups: string[][] = [];
  for (const name of roots) {
    const group = groups.find(([first]) => inOneCircle(first!, name));
    if (group) group.push(name);
    else groups.push([name]);
  }
  const faults = groups.map((group): Fault => {
    const affected = names.filter((name) => !group.includes(name) && reaches(name, group[0]!));
    return {
      services: group,
      kind: missing.has(group[0]!) ? 'not_registered' : 'unhealthy',
      cascades: affected.filter(isBad),
      atRisk: affected.filter((name) => !isBad(name)),
    };
  });
  const affectedBy = names
    .filter((name) => services.has(name))
    .map((name) => [
      name,
      ...faults
        .filter(({ cascades, atRisk }) => [...cascades, ...atRisk].includes(name))
        .flatMap((fault) => fault.services)
        .sort(),
    ])
    .filter((words) => words.length > 1)
    .map((words) => words.join(' '));
  return { faults, affectedBy };
}

function check(services: Services, missing: ReadonlySet<string>): void {
  const { faults, affectedBy } = findFaults(services, missing);
  const expected = plainly(services, missing);
  const inOrder = (some: readonly Fault[]): Fault[] =>
    [...some].sort((a, b) => (a.services[0]! < b.services[0]! ? -1 : 1));
  expect(inOrder(faults)).toEqual(expected.faults);
  expect([...affectedBy].map(([name, others]) => [name, ...others].join(' ')).sort()).toEqual(expected.affectedBy);
  const reach = faults.map(({ cascades, atRisk }) => cascades.length + atRisk.length);
  expect(reach).toEqual([...reach].sort((a, b) => b - a));
}

/** `a` to `g` are registered, `x` and `y` are not. */
const REGISTERED = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
const NAMES = [...REGISTERED, 'x', 'y'];

describe('findFaults compared with a reference', () => {
  it('agrees on every graph of three services and every combination of unhealthy ones', () => {
    const three = REGISTERED.slice(0, 3);
    const arrows = three.flatMap((from) => three.filter((to) => to !== from).map((to) => [from, to] as const));
    for (let graph = 0; graph < 2 ** arrows.length; graph++) {
      for (let health = 0; health < 2 ** three.length; health++) {
        const services = new Map<string, DependentService>(
          three.map((name, at) => [
            name,
            {
              status: (health >> at) & 1 ? 'unhealthy' : 'healthy',
              dependencies: arrows.filter(([from], bit) => from === name && (graph >> bit) & 1).map(([, to]) => to),
            },
          ]),
        );
        check(services, new Set());
      }
    }
  });

  it('agrees on random services, cycles and unregistered names', () => {
    const status = fc.constantFrom<AggregatedStatus>('healthy', 'degraded', 'unhealthy', 'unknown');
    const service = fc.record({ status, dependencies: fc.uniqueArray(fc.constantFrom(...NAMES), { maxLength: 3 }) });
    fc.assert(
      fc.property(fc.array(service, { maxLength: REGISTERED.length }), (given) => {
        const services = new Map(given.map((one, at) => [REGISTERED[at]!, one]));
        for (const [name, { dependencies }] of services) {
          services.set(name, { ...services.get(name)!, dependencies: dependencies.filter((other) => other !== name) });
        }
        const named = [...services.values()].flatMap(({ dependencies }) => dependencies);
        check(services, new Set(named.filter((name) => !services.has(name))));
      }),
      modelRuns('faults', 1_000),
    );
  });
});
