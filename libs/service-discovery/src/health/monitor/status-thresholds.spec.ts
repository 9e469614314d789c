import { describe, expect, it } from '@jest/globals';
import { type HealthStatus } from '../../model/index.js';
import { type Thresholds } from '../check-plan.js';
import { type ProbeResult } from '../probes/probe.js';
import { initialState, isCounted, nextState } from './status-thresholds.js';

const DEFAULTS: Thresholds = { rise: 2, fall: 3, fallOf: {} };
/** A result per letter; a minus is an unclassified failure. */
const RESULTS: Readonly<Record<string, ProbeResult>> = {
  '+': { passed: true },
  '-': { passed: false },
  h: { passed: false, kind: 'http' },
  c: { passed: false, kind: 'tcp' },
  t: { passed: false, kind: 'timeout' },
  s: { passed: false, skipped: true },
};

function statuses(results: string, thresholds = DEFAULTS, from: HealthStatus = 'unknown'): string {
  let state = initialState(from);
  return [...results]
    .map((letter) => {
      const result = RESULTS[letter]!;
      if (isCounted(result, thresholds)) state = nextState(state, result, thresholds);
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

  it('change with each result when both are 1', () => {
    expect(statuses('+-+', { ...DEFAULTS, rise: 1, fall: 1 })).toBe('HUH');
  });

  it.each<[string, Thresholds['fallOf'], string, string]>([
    ['all kinds count together without numbers of their own', {}, '+hct', 'HHHU'],
    ['a kind with a number of its own is counted apart', { timeout: 2 }, '+hthc', 'HHHHU'],
    ['kinds with numbers of their own never add up, as in Kong', { http: 2, tcp: 2, timeout: 2 }, '+hctt', 'HHHHU'],
    ['a success zeroes the failures of all kinds', { http: 2, tcp: 2 }, '+hc+hc+', 'HHHHHHH'],
    ['a failure of any kind zeroes the successes', { tcp: 5 }, '-+c+c++', 'UUUUUUH'],
    ['failures of a kind at 0 count for nothing', { timeout: 0 }, '+ttttt', 'HHHHHH'],
    ['failures of a kind at 0 zero no successes', { timeout: 0 }, '-+t+', 'UUUH'],
    ['the first failure of a kind at 0 decides nothing', { timeout: 0 }, 'tt+', '??H'],
    ['the first failure of a kind counted apart decides at once', { tcp: 5 }, 'c', 'U'],
    ['a failure of no kind counts towards the common number', { http: 1 }, '+---', 'HHHU'],
    ['what is skipped zeroes nothing', { http: 2 }, '+hsh', 'HHHU'],
  ])('%s', (_, fallOf, results, expected) => {
    expect(statuses(results, { ...DEFAULTS, fallOf })).toBe(expected);
  });

  it('continue from a known status', () => {
    expect(statuses('---', DEFAULTS, 'healthy')).toBe('HHU');
    expect(statuses('++', DEFAULTS, 'unhealthy')).toBe('UH');
  });

  it('never count beyond the thresholds', () => {
    let state = initialState();
    for (let n = 0; n < 1_000; n++) state = nextState(state, { passed: false }, DEFAULTS);
    expect(state).toEqual({ status: 'unhealthy', successes: 0, failures: 3 });
  });
});
