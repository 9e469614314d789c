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
    const mirror = new Mirror(() => undefined);
    const asked = mirror.positionOf(NAME);
    mirror.apply(NAME, put(fakeInstance({ serviceName: NAME, instanceId: 'a', generation: 7 }), '1'));
    expect(mirror.sync(NAME, asked, EMPTY)).toMatchObject({ isOvertaken: true, reloaded: false, lost: false });
    expect(mirror.has({ serviceName: NAME, instanceId: 'a' })).toBe(true);
  });

  it('applies a reply about the history that it knows', () => {
    const mirror = new Mirror(() => undefined);
    mirror.apply(NAME, put(fakeInstance({ serviceName: NAME, instanceId: 'a', generation: 7 }), '1'));
    const asked = mirror.positionOf(NAME);
    expect(mirror.sync(NAME, asked, EMPTY)).toMatchObject({ isOvertaken: false, reloaded: true });
    expect(mirror.has({ serviceName: NAME, instanceId: 'a' })).toBe(false);
  });
});
