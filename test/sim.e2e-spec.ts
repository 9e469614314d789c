import { describe, expect, it } from '@jest/globals';
import { SCENARIOS } from '../sim/scenarios/index.js';
import { type Scenario } from '../sim/scenarios/scenario.js';
import { simulate } from '../sim/simulate.js';

const SEED = 1;

describe('the simulations', () => {
  it.each(SCENARIOS.map((scenario): [string, Scenario] => [scenario.name, scenario]))(
    'reach every bound of %s',
    async (_name, scenario) => {
      const { text, bounds } = await simulate(scenario, SEED, 'bounded');
      process.stdout.write(`${text}\n`);
      expect(bounds.filter(({ holds }) => !holds)).toEqual([]);
      expect(bounds).not.toHaveLength(0);
    },
    60_000,
  );

  it('print the same for the same seed, and something else for another', async () => {
    const scenario = SCENARIOS.find(({ name }) => name === 'rolling-restart')!;
    const texts = [];
    for (const seed of [SEED, SEED, SEED + 1]) texts.push((await simulate(scenario, seed, 'bounded')).text);
    expect(texts[1]).toBe(texts[0]);
    expect(texts[2]).not.toBe(texts[0]);
  }, 60_000);
});
