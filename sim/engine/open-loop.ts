import { type Random } from 'nest-service-discovery/core';
import { exponential } from './randomness.js';
import { type SimClock } from './sim-clock.js';
import { type Tally } from './tally.js';

export interface OpenLoopOptions {
  /** Calls per second; a function of time if it varies. */
  readonly rate: number | ((now: number) => number);
  readonly from?: number;
  readonly until: number;
  readonly random: Random;
  readonly tally: Tally;
}

/**
 * Arrivals that do not depend on earlier results (a Poisson process). In a closed loop, slow answers hold callers back,
 * which hides overload.
 * @param call resolves with whether the caller got what it wanted; a rejection means no
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
