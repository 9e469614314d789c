import { describe, expect, it } from '@jest/globals';
import { listNames, probeWrite } from './lua-scripts.js';
import { RefusedWrites } from './refused-writes.js';

const LEASES = 'sd:{default:users}:leases';
const OOM = 'OOM command not allowed when used memory > maxmemory.';

/** After a write was refused, with what listeners were told. */
function refusing(): { readonly refused: RefusedWrites; readonly told: (string | undefined)[] } {
  const refused = new RefusedWrites((error) => error);
  const told: (string | undefined)[] = [];
  refused.onChange((refusal) => told.push(refusal?.message));
  refused.note([probeWrite({ leases: LEASES })], [{ error: new Error(OOM) }], () => '');
  return { refused, told };
}

describe('RefusedWrites', () => {
  it('tells that writes are taken again once a probe is answered without an error', () => {
    const { refused, told } = refusing();
    refused.note(refused.probes(), [{ reply: 0 }], () => '');
    expect(told).toEqual([OOM, undefined]);
    expect(refused.probes()).toEqual([]);
  });

  it.each([
    'LOADING Redis is loading the dataset in memory',
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    'BUSY Redis is busy running a script.',
    'CLUSTERDOWN The cluster is down',
  ])('takes a probe that fails with %p for no sign that writes are taken', (message) => {
    const { refused, told } = refusing();
    refused.note(refused.probes(), [{ error: new Error(message) }], () => '');
    expect(told).toEqual([OOM]);
    expect(refused.probes()).toEqual([probeWrite({ leases: LEASES })]);
  });

  it('takes the answer to a script that reads for no sign either', () => {
    const { refused, told } = refusing();
    refused.note([listNames({ names: LEASES })], [{ reply: [] }], () => '');
    expect(told).toEqual([OOM]);
  });
});
