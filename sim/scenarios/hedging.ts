import { type CommunicatorDefaults, type HedgingOptions, type RetryBudgetOptions } from 'nest-service-discovery/core';
import { openLoop } from '../engine/open-loop.js';
import { normal } from '../engine/randomness.js';
import { count, milliseconds, percent } from '../engine/table.js';
import { Tally } from '../engine/tally.js';
import { World } from '../engine/world.js';
import { ours, type Setup } from '../peers/setup.js';
import { atLeast, atMost, compare } from './scenario.js';

const INSTANCES = 10;
const RATE = 500;
const DURATION_MS = 60_000;
const SLOW_SHARE = 0.03;
const SLOW_MS = { least: 150, most: 280 };
const FAST_MS = { mean: 7, deviation: 1 };
const TIMEOUT_MS = 2_000;

const FIVE_PERCENT = { ratio: 0.05, minPerSecond: 0 };

const NONE = hedged('no hedging', false, undefined);
const P95 = hedged('ours: after the p95, budget of 5%', FIVE_PERCENT, 'p95');

const SETTINGS: readonly Setup[] = [
  NONE,
  ours('attempts of 20 ms, 3 of them', {
    timeout: TIMEOUT_MS,
    attemptTimeout: '20ms',
    circuitBreaker: false,
    retry: { baseDelay: 0, maxDelay: 0, budget: false },
  }),
  hedged('Finagle: backup requests, 1% more', { ratio: 0.01 }, 'p99'),
  hedged('gRPC: hedge after 5 ms', false, '5ms'),
  hedged('ours: after 5 ms, budget of 5%', FIVE_PERCENT, '5ms'),
  P95,
];

/** A few slow answers at random, independent of the instance: another one asked in time would have answered. */
export const hedging = compare({
  name: 'hedging',
  about:
    `${INSTANCES} instances answer in N(${FAST_MS.mean}, ${FAST_MS.deviation}) ms, but ${percent(SLOW_SHARE, 0)} of all answers take ` +
    `${SLOW_MS.least} to ${SLOW_MS.most} ms. ${RATE} calls/s.`,
  settings: SETTINGS,
  bounded: [NONE, P95],
  measure: callSlow,
  head: ['failed', 'p50', 'p95', 'p99', 'p99.9', 'requests', 'more'],
  cells: ({ tally, sent }) => [
    count(tally.failures),
    ...[0.5, 0.95, 0.99, 0.999].map((share) => milliseconds(tally.latency(share))),
    count(sent),
    percent(sent / tally.calls - 1, 1),
  ],
  bounds: (of) => {
    const { tally, sent } = of(P95);
    return [
      atLeast('p99 without hedging', of(NONE).tally.latency(0.99), 225, milliseconds),
      atMost('p99 with hedging after the p95', tally.latency(0.99), 20, milliseconds),
      atMost('Requests more', sent / tally.calls - 1, 0.05, (share) => percent(share, 1)),
    ];
  },
});

function hedged(
  name: string,
  budget: Partial<RetryBudgetOptions> | false,
  delay: HedgingOptions['delay'] | undefined,
): Setup {
  const options: CommunicatorDefaults = { timeout: TIMEOUT_MS, attemptTimeout: TIMEOUT_MS, retry: { budget } };
  return ours(name, { ...options, hedging: delay !== undefined && { delay } });
}

async function callSlow(setup: Setup, seed: number): Promise<{ tally: Tally; sent: number }> {
  const world = await World.open({ seed });
  for (let n = 0; n < INSTANCES; n++) {
    await world.start(`i${n}`, (random) => ({
      serviceMs: () =>
        random() < SLOW_SHARE
          ? SLOW_MS.least + random() * (SLOW_MS.most - SLOW_MS.least)
          : normal(random, FAST_MS.mean, FAST_MS.deviation),
    }));
  }
  const call = setup.open(world);
  const tally = new Tally();
  openLoop(world.clock, () => call({ path: '/' }), {
    rate: RATE,
    until: DURATION_MS,
    random: world.random('arrivals'),
    tally,
  });
  await world.clock.run(DURATION_MS + 2 * TIMEOUT_MS);
  await world.close();
  return { tally, sent: world.transport.sent };
}
