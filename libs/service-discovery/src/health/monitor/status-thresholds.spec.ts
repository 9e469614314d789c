import { describe, expect, it } from '@jest/globals';
import { type HealthStatus } from '../../model/index.js';
import { initialState, nextState, type Thresholds } from './status-thresholds.js';

const DEFAULTS: Thresholds = { rise: 2, fall: 3 };

function statuses(results: string, thresholds = DEFAULTS, from: HealthStatus = 'unknown'): string {
  let state = initialState(from);
  return [...results]
    .map((result) => {
      state = nextState(state, result === '+', thresholds);
      return { healthy: 'H', unhealthy: 'U', unknown: '?' }[state.status];
    })
    .join('');
}

describe('status thresholds', () => {
  it.each([
    ['the first success counts at once', '+', 'H'],
    ['the first failure counts at once', '-', 'U'],
    ['three failures in a row make it unhealthy', '+---', 'HHHU'],
    ['two successes in a row make it healthy', '-++', 'UUH'],
    ['a success zeroes the failures', '+--+--+', 'HHHHHHH'],
    ['a failure zeroes the successes', '-+-+-', 'UUUUU'],
    ['the first failure does not count towards the next fall', '-++--', 'UUHHH'],
  ])('%s', (_, results, expected) => {
    expect(statuses(results)).toBe(expected);
  });

  it('changes with each result when both thresholds are 1', () => {
    expect(statuses('+-+', { rise: 1, fall: 1 })).toBe('HUH');
  });

  it('goes on from what is known already', () => {
    expect(statuses('---', DEFAULTS, 'healthy')).toBe('HHU');
    expect(statuses('++', DEFAULTS, 'unhealthy')).toBe('UH');
  });

  it('counts no further than the thresholds, however long it runs', () => {
    let state = initialState();
    for (let n = 0; n < 1_000; n++) state = nextState(state, false, DEFAULTS);
    expect(state).toEqual({ status: 'unhealthy', successes: 0, failures: 3 });
  });
});
