import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { SimClock } from '../sim/engine/sim-clock.js';
import { SCENARIOS } from '../sim/scenarios/index.js';
import { type Scenario } from '../sim/scenarios/scenario.js';
import { simulate } from '../sim/simulate.js';
import { modelRuns } from './support/model-runs.js';

const SEED = 1;

/** Timers with delays in milliseconds; and which of them are cancelled before time advances. */
const timers = fc.array(fc.record({ ms: fc.nat(50), isCancelled: fc.boolean() }), { maxLength: 200 });

describe('simulated time', () => {
  it('fires timers by time, then in order of creation, and no cancelled one', async () => {
    const property = fc.asyncProperty(timers, async (planned) => {
      const clock = new SimClock();
      const fired: [number, number][] = [];
      planned.forEach(({ ms, isCancelled }, index) => {
        const timer = clock.setTimer(() => fired.push([clock.now(), index]), ms);
        if (isCancelled) timer.cancel();
      });
      await clock.run(40);
      const due = planned.flatMap(({ ms, isCancelled }, index): [number, number][] =>
        isCancelled || ms > 40 ? [] : [[ms, index]],
      );
      expect(fired).toEqual(due.toSorted(([a], [b]) => a - b));
      expect(clock.now()).toBe(40);
    });
    await fc.assert(property, modelRuns('timers of the simulated clock', 100));
  });

  it('does not advance until all promises have settled', async () => {
    const clock = new SimClock();
    const seen: string[] = [];
    const chain = async (name: string): Promise<void> => {
      await clock.after(1);
      for (let step = 0; step < 100; step++) await Promise.resolve();
      await new Promise<void>((resolve) => process.nextTick(resolve));
      for (let step = 0; step < 100; step++) await Promise.resolve();
      seen.push(`${name} at ${clock.now()}`);
    };
    void chain('a');
    clock.setTimer(() => seen.push(`timer at ${clock.now()}`), 2);
    await clock.run(10);
    expect(seen).toEqual(['a at 1', 'timer at 2']);
  });

  it('fires timers set for the same moment, and none set for later', async () => {
    const clock = new SimClock();
    const seen: number[] = [];
    clock.setTimer(() => {
      clock.setTimer(() => seen.push(clock.now()), 0);
      clock.setTimer(() => seen.push(clock.now()), 1);
    }, 10);
    await clock.run(10);
    expect(seen).toEqual([10]);
    await clock.run(20);
    expect(seen).toEqual([10, 11]);
  });
});

describe('the simulations', () => {
  it.each(SCENARIOS.map((scenario): [string, Scenario] => [scenario.name, scenario]))(
    'reach every bound of %s',
    async (_name, scenario) => {
      const { text, bounds } = await simulate(scenario, SEED, 'bounded');
      process.stdout.write(`${text}\n`);
      expect(bounds.filter(({ holds }) => !holds)).toEqual([]);
      expect(bounds).not.toHaveLength(0);
    },
    300_000,
  );

  it('print the same for the same seed, and something else for another', async () => {
    const scenario = SCENARIOS.find(({ name }) => name === 'rolling-restart')!;
    const texts = [];
    for (const seed of [SEED, SEED, SEED + 1]) texts.push((await simulate(scenario, seed, 'bounded')).text);
    expect(texts[1]).toBe(texts[0]);
    expect(texts[2]).not.toBe(texts[0]);
  }, 300_000);
});
