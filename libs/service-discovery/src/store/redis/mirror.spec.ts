import { describe, expect, it } from '@jest/globals';
import { fakeInstance } from '../../testing/fake-instance.js';
import { type ServiceInstance } from '../../model/index.js';
import { Mirror, type PublishedChange } from './mirror.js';
import { toRecord, toState } from './record.js';

const NAME = 'users';

const put = (instance: ServiceInstance, epoch: string): PublishedChange => ({
  epoch,
  sequence: 1,
  previous: '-',
  tag: 't1',
  text: ['put', instance.instanceId, toRecord(instance), toState(instance, 1), '1000', ''].join('\n'),
});

/** The reply of the script for a service that Redis does not know. */
const EMPTY = ['', '0', '-', 'all', [], [], [], [0, 0, 1]];

describe('Mirror', () => {
  it('ignores a reply that a change of a newer history has overtaken', () => {
    const mirror = new Mirror({ onBadRecord: () => undefined });
    const asked = mirror.positionOf(NAME);
    mirror.apply(NAME, put(fakeInstance({ serviceName: NAME, instanceId: 'a', generation: 7 }), '1'));
    expect(mirror.sync(NAME, asked, EMPTY)).toMatchObject({ isOvertaken: true, reloaded: false, lost: false });
    expect(mirror.has({ serviceName: NAME, instanceId: 'a' })).toBe(true);
  });

  it('applies a reply about the history that it knows', () => {
    const mirror = new Mirror({ onBadRecord: () => undefined });
    mirror.apply(NAME, put(fakeInstance({ serviceName: NAME, instanceId: 'a', generation: 7 }), '1'));
    const asked = mirror.positionOf(NAME);
    expect(mirror.sync(NAME, asked, EMPTY)).toMatchObject({ isOvertaken: false, reloaded: true });
    expect(mirror.has({ serviceName: NAME, instanceId: 'a' })).toBe(false);
  });

  it('keeps what it holds when a change of an older history arrives late', () => {
    const mirror = new Mirror({ onBadRecord: () => undefined });
    const users = (generation: number): ServiceInstance =>
      fakeInstance({ serviceName: NAME, instanceId: 'a', generation });
    mirror.apply(NAME, put(users(8), '2'));
    const position = mirror.positionOf(NAME);
    expect(mirror.apply(NAME, put(users(7), '1'))).toEqual({ change: undefined, isLoss: true });
    expect(mirror.resetWithin({}).instances.map(({ generation }) => generation)).toEqual([8]);
    expect(mirror.positionOf(NAME)).toEqual(position);
  });

  it('passes on a registration of a newer history, and holds it once it was read', () => {
    const mirror = new Mirror({ onBadRecord: () => undefined });
    const users = (generation: number): ServiceInstance =>
      fakeInstance({ serviceName: NAME, instanceId: 'a', generation });
    mirror.apply(NAME, put(users(7), '1'));
    const applied = mirror.apply(NAME, put(users(8), '2'));
    expect(applied).toMatchObject({ isLoss: true, change: { type: 'put', instance: { generation: 8 } } });
    expect(mirror.resetWithin({}).instances.map(({ generation }) => generation)).toEqual([7]);
  });

  it.each(['forked', 'all'])('passes on what was deregistered after a read that found nothing, with "%s"', (kind) => {
    const mirror = new Mirror({ onBadRecord: () => undefined });
    expect(mirror.hasLost).toBe(false);
    mirror.apply(NAME, put(fakeInstance({ serviceName: NAME, instanceId: 'a', generation: 7 }), '1'));
    const before = mirror.positionOf(NAME);
    mirror.sync(NAME, before, ['', '0', '-', 'forked', [], [], [], [0, 0, 1]]);
    mirror.prune([NAME]);
    expect(mirror.hasLost).toBe(true);
    // The position of a read that began before that one ended, or of one that began after it.
    const asked = kind === 'forked' ? before : mirror.positionOf(NAME);
    const removal = ['remove', 'a', 'deregistered', '7'].join('\n');
    const { changes } = mirror.sync(NAME, asked, ['2', '1', 't2', kind, [], [removal], [], [0, 0, 1]]);
    expect(changes).toMatchObject([{ type: 'remove', key: { serviceName: NAME, instanceId: 'a' }, generation: 7 }]);
  });
});
