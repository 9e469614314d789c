import { LoadBalancingStrategy } from 'nest-service-discovery/core';
import { openLoop } from '../engine/open-loop.js';
import { normal } from '../engine/randomness.js';
import { count, milliseconds, percent } from '../engine/table.js';
import { Tally } from '../engine/tally.js';
import { World } from '../engine/world.js';
import { peer } from '../peers/peer-client.js';
import { axiosRetry, kong, opossum, plainRetries } from '../peers/policies.js';
import { ours, type Setup } from '../peers/setup.js';
import { atLeast, compare } from './scenario.js';

const INSTANCES = 11;
const RATE = 1_000;
const DURATION_MS = 60_000;
const STUCK_FROM_MS = 15_000;
const STUCK_UNTIL_MS = 45_000;
/** Enough for hash strategies to spread them evenly. */
const USERS = 9_973;
const TIMEOUT_MS = 1_000;
const patience = { attemptTimeoutMs: TIMEOUT_MS };

/** Only the choice of the instance differs, so that strategies are compared. */
const ALONE = { timeout: TIMEOUT_MS, attemptTimeout: TIMEOUT_MS, retry: false, circuitBreaker: false } as const;
const STRATEGIES = Object.values(LoadBalancingStrategy).map((loadBalancing) =>
  ours(loadBalancing, { ...ALONE, loadBalancing }),
);
const PEAK_EWMA = STRATEGIES.find(({ name }) => name === LoadBalancingStrategy.P2C_EWMA)!;

const SPARING = { ...ALONE, loadBalancing: { strategy: 'p2c_ewma', slowStart: {} }, outlierDetection: {} } as const;
const OUTLIERS = ours('ours: p2c_ewma, slow start, outlier detection', SPARING);

const SETUPS: readonly Setup[] = [
  ...STRATEGIES,
  peer('round robin, 3 attempts', plainRetries(patience)),
  peer('axios-retry: defaults', axiosRetry(patience)),
  peer('opossum: defaults', opossum(patience)),
  peer('Kong: defaults', kong(patience)),
  ours('moleculer: breakers of 50% of 20 calls, 10 s', {
    ...ALONE,
    circuitBreaker: {
      failureThreshold: false,
      failureRate: 0.5,
      minimumCalls: 20,
      window: '60s',
      recoveryTimeout: '10s',
    },
  }),
  ours('Envoy: outlier detection, 10% at most', { ...ALONE, outlierDetection: { maxEjectedShare: 0.1 } }),
  ours('Finagle: P2C peak EWMA, 5 failures → 5 s', {
    ...ALONE,
    loadBalancing: 'p2c_ewma',
    circuitBreaker: { failureThreshold: 5, recoveryTimeout: '5s' },
  }),
  OUTLIERS,
  ours('ours: the same, attempts of 500 ms', { ...SPARING, retry: {}, attemptTimeout: '500ms' }),
];

/** Linkerd's comparison of balancers: one of eleven is stuck for half a minute. */
export const stuckInstance = compare({
  name: 'stuck-instance',
  about: `${INSTANCES} instances answer in N(167, 5) ms; one takes 2 s from second 15 to 45. ${RATE} calls/s, given up after 1 s.`,
  settings: SETUPS,
  bounded: [PEAK_EWMA, OUTLIERS],
  measure: callStuck,
  head: ['success', 'failed', 'p50', 'p99', 'requests'],
  cells: ({ tally, sent }) => [
    percent(tally.success()),
    count(tally.failures),
    milliseconds(tally.latency(0.5)),
    milliseconds(tally.latency(0.99)),
    count(sent),
  ],
  bounds: (of) => {
    const alone = of(PEAK_EWMA).tally.success();
    return [
      atLeast('Success of p2c_ewma alone', alone, 0.999, percent),
      atLeast('... with slow start and outlier detection', of(OUTLIERS).tally.success(), alone, percent),
    ];
  },
});

async function callStuck(setup: Setup, seed: number): Promise<{ tally: Tally; sent: number }> {
  const world = await World.open({ seed });
  for (let n = 0; n < INSTANCES; n++) {
    await world.start(`i${n}`, (random) => {
      const healthy = (): number => normal(random, 167, 5);
      if (n > 0) return { serviceMs: healthy };
      const isStuck = (now: number): boolean => now >= STUCK_FROM_MS && now < STUCK_UNTIL_MS;
      return { serviceMs: () => (isStuck(world.clock.now()) ? 2_000 : healthy()) };
    });
  }
  const call = setup.open(world);
  const tally = new Tally();
  const user = (n: number): string => String(n % USERS);
  openLoop(world.clock, (n) => call({ path: '/', key: user(n), clientIp: user(n) }), {
    rate: RATE,
    until: DURATION_MS,
    random: world.random('arrivals'),
    tally,
  });
  await world.clock.run(DURATION_MS + 10_000);
  await world.close();
  return { tally, sent: world.transport.sent };
}
