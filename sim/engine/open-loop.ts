import { type Random } from 'nest-service-discovery/core';
import { exponential } from './randomness.js';
import { type SimClock } from './sim-clock.js';
import { type Tally } from './tally.js';

export interface OpenLoopOptions {
  /** Calls a second; a function of time where it changes. */
  readonly rate: number | ((now: number) => number);
  readonly from?: number;
  readonly until: number;
  readonly random: Random;
  readonly tally: Tally;
}

/**
 * Calls that begin when they begin (a Poisson process), whatever became of those before. A closed loop, in which the
 * slow answers of a server keep its callers from asking, hides just the overload that is looked for.
 * @param call tells whether the caller got what it wanted; a rejection is a no
 */
export function openLoop(clock: SimClock, call: (n: number) => Promise<boolean>, options: OpenLoopOptions): void {
  const { rate, from = 0, until, random, tally } = options;
  const meanGap = (): number => 1_000 / (typeof rate === 'number' ? rate : rate(clock.now()));
  let n = 0;
  const plan = (): void => {
    const gap = exponential(random, meanGap());
    if (clock.now() + gap >= until) return;
    clock.setTimer(() => {
      plan();
      const began = clock.now();
      const ended = (isGood: boolean): void => tally.record(began, clock.now() - began, isGood);
      call(n++).then(ended, () => ended(false));
    }, gap);
  };
  clock.setTimer(plan, from - clock.now());
}
