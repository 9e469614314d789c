import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { modelRuns } from '../../../../test/support/model-runs.js';
import { fakeInstance } from '../testing/fake-instance.js';
import { placeOf, withHeartbeats, withInstance, withoutInstance, type InstanceList } from './instance-list.js';
import { changeInstance } from './instance.js';

/** Enough for an index, with a few that come and go at either end and in the middle. */
const STANDING = 258;
const ids = fc.oneof(
  fc.constantFrom('i0', 'i1', 'i100', 'i101', 'i256', 'i257'),
  fc.integer({ min: 0, max: 5 }).map((n) => `new-${n}`),
);

const steps = fc.array(
  fc.record({
    kind: fc.constantFrom('put', 'leave', 'beat', 'look'),
    id: ids,
    /** Index of the list that the change is applied to. */
    from: fc.integer({ min: 0, max: 4 }),
  }),
  { maxLength: 40 },
);

function plainly(list: InstanceList, kind: string, id: string, weight: number): InstanceList {
  const instance = fakeInstance({ instanceId: id, weight });
  const isThere = list.some((known) => known.instanceId === id);
  const swapped = (next: (known: (typeof list)[number]) => (typeof list)[number]): InstanceList =>
    list.map((known) => (known.instanceId === id ? next(known) : known));
  switch (kind) {
    case 'put':
      return isThere ? swapped(() => instance) : [...list, instance];
    case 'leave':
      return list.filter((known) => known.instanceId !== id);
    case 'beat':
      return swapped((known) => changeInstance(known, { lastHeartbeat: weight }));
    default:
      return list;
  }
}

function indexed(list: InstanceList, kind: string, id: string, weight: number): InstanceList {
  switch (kind) {
    case 'put':
      return withInstance(list, fakeInstance({ instanceId: id, weight }));
    case 'leave':
      return withoutInstance(list, id);
    case 'beat':
      return withHeartbeats(list, [id], (known) => changeInstance(known, { lastHeartbeat: weight }));
    default:
      placeOf(list, id);
      return list;
  }
}

describe('lists of instances', () => {
  it('behave like plain arrays under any sequence of changes to any version', () => {
    const origin = Array.from({ length: STANDING }, (_, index) => fakeInstance({ instanceId: `i${index}` }));
    fc.assert(
      fc.property(steps, (taken) => {
        const lists: InstanceList[] = [origin];
        const plain: InstanceList[] = [origin];
        for (const [weight, { kind, id, from }] of taken.entries()) {
          const at = from % lists.length;
          lists.push(indexed(lists[at]!, kind, id, weight));
          plain.push(plainly(plain[at]!, kind, id, weight));
        }
        for (const [at, list] of lists.entries()) {
          const expected = plain[at]!;
          const look = ['i0', 'i1', 'i100', 'i257', 'new-0', 'new-1', 'new-2'];
          expect(look.map((id) => placeOf(list, id))).toEqual(
            look.map((id) => expected.findIndex(({ instanceId }) => instanceId === id)),
          );
        }
        expect(lists.at(-1)).toEqual(plain.at(-1));
      }),
      modelRuns('lists of instances', 30),
    );
  });
});
