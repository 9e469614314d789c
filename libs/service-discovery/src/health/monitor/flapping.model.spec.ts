import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { modelRuns } from '../../../../../test/support/model-runs.js';
import { FLAPPING_OPTIONS, type FlappingOptions, ResultHistory } from './status-thresholds.js';

const rules = fc.record<FlappingOptions>({
  results: fc.integer({ min: 5, max: 32 }),
  start: fc.double({ min: 0.2, max: 1, noNaN: true }),
  stop: fc.double({ min: 0.01, max: 0.2, noNaN: true }),
  riseFactor: fc.constant(3),
});

/** Recomputes from the whole list after each result. */
function reference(results: readonly boolean[], rule: FlappingOptions): boolean[] {
  let flaps = false;
  return results.map((_, end) => {
    const last = results.slice(0, end + 1).slice(-rule.results);
    const changes = last.filter((passed, index) => index > 0 && passed !== last[index - 1]).length;
    const share = changes / (rule.results - 1);
    flaps = flaps ? share >= rule.stop : share >= rule.start;
    return flaps;
  });
}

function observed(results: readonly boolean[], rule: FlappingOptions, from = false): boolean[] {
  const history = new ResultHistory(from, rule);
  return results.map((passed) => {
    history.note(passed, rule);
    return history.isFlapping;
  });
}

const results = (text: string): boolean[] => [...text].map((letter) => letter === '+');

describe('ResultHistory', () => {
  it('agrees with a reference over the list of all results', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 100 }), rules, (list, rule) => {
        expect(observed(list, rule)).toEqual(reference(list, rule));
      }),
      modelRuns('flapping', 500),
    );
  });

  it('continues a flapping state reported by another process, for at most the results considered', () => {
    fc.assert(
      fc.property(rules, fc.boolean(), (rule, passed) => {
        const steady = Array<boolean>(rule.results).fill(passed);
        expect(new ResultHistory(true, rule).isFlapping).toBe(true);
        const seen = observed(steady, rule, true);
        expect(seen[0]).toBe(true);
        expect(seen.at(-1)).toBe(false);
      }),
      modelRuns('flapping that goes on', 200),
    );
  });

  it('starts flapping at three outages within twenty checks, not at two', () => {
    const outages = (count: number): boolean[] => results('++++' + '---++'.repeat(count));
    expect(observed(outages(2), FLAPPING_OPTIONS.defaults)).not.toContain(true);
    expect(observed(outages(3), FLAPPING_OPTIONS.defaults).at(-1)).toBe(true);
  });

  it('never flaps when flap detection is off', () => {
    expect(new ResultHistory(true, undefined).isFlapping).toBe(false);
  });
});

describe('FLAPPING_OPTIONS', () => {
  it('fills in the defaults, and returns nothing when flap detection is off', () => {
    expect(FLAPPING_OPTIONS.resolve()).toEqual(FLAPPING_OPTIONS.defaults);
    expect(FLAPPING_OPTIONS.resolve({ riseFactor: 1 })).toEqual({ ...FLAPPING_OPTIONS.defaults, riseFactor: 1 });
  });

  it.each<[string, object]>([
    ['flapping.results', { results: 33 }],
    ['flapping.results', { results: 4 }],
    ['flapping.start', { start: 1.5 }],
    ['flapping.start', { start: 0 }],
    ['flapping.stop', { stop: 0.31 }],
    ['flapping.stop', { stop: 0 }],
    ['flapping.riseFactor', { riseFactor: 1.5 }],
    ['flapping.window', { window: 5 }],
  ])('rejects a wrong %s', (path, options) => {
    expect(() => FLAPPING_OPTIONS.resolve(options)).toThrow(path);
  });
});
