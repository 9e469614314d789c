import { describe, expect, it } from '@jest/globals';
import { listNames, probeWrite } from './lua-scripts.js';
import { RefusedWrites } from './refused-writes.js';

const LEASES = 'sd:{default:users}:leases';
const OOM = 'OOM command not allowed when used memory > maxmemory.';

/** After a refused write, with what listeners received. */
function refusing(): { readonly refused: RefusedWrites; readonly told: (string | undefined)[] } {
  const refused = new RefusedWrites((error) => error);
  const told: (string | undefined)[] = [];
  refused.onChange((refusal) => told.push(refusal?.message));
  refused.note([probeWrite({ leases: LEASES })], [{ error: new Error(OOM) }], () => '');
  return { refused, told };
}

describe('RefusedWrites', () => {
  it('reports that writes are accepted again once a probe succeeds', () => {
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
  ])('does not take a probe that fails with %p as a sign that writes are accepted', (message) => {
    const { refused, told } = refusing();
    refused.note(refused.probes(), [{ error: new Error(message) }], () => '');
    expect(told).toEqual([OOM]);
    expect(refused.probes()).toEqual([probeWrite({ leases: LEASES })]);
  });

  it('does not take the answer of a reading script as a sign that writes are accepted', () => {
    const { refused, told } = refusing();
    refused.note([listNames({ names: LEASES })], [{ reply: [] }], () => '');
    expect(told).toEqual([OOM]);
  });
});
