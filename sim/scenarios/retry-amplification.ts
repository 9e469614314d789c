import { count } from '../engine/table.js';
import { openLoop } from '../engine/open-loop.js';
import { Tally } from '../engine/tally.js';
import { World } from '../engine/world.js';
import { peer } from '../peers/peer-client.js';
import { axiosRetry, envoy, grpc, kong, noRetries, plainRetries } from '../peers/policies.js';
import { ours, type Setup } from '../peers/setup.js';
import { atMost, compare } from './scenario.js';

const INSTANCES = 10;
const RATE = 1_000;
const DURATION_MS = 10_000;
const patience = { attemptTimeoutMs: 1_000 };
const NO_BREAKER = { timeout: '5s', attemptTimeout: '1s', circuitBreaker: false } as const;
const TEN_PERCENT = ours('ours: budget of 10%, no breaker', {
  ...NO_BREAKER,
  retry: { budget: { ratio: 0.1, minPerSecond: 0 } },
});

const SETUPS: readonly Setup[] = [
  peer('no retries', noRetries(patience)),
  peer('3 attempts, no budget', plainRetries(patience)),
  peer('axios-retry: defaults', axiosRetry(patience)),
  peer('Kong: defaults', kong(patience)),
  peer('Envoy: retry_on 5xx, defaults', envoy(patience)),
  ours('Finagle: budget of 20% + 10/s', { ...NO_BREAKER, retry: { budget: { ratio: 0.2, minPerSecond: 10 } } }),
  peer('gRPC: retryThrottling', grpc(patience)),
  TEN_PERCENT,
  ours('ours: throttling, no breaker', { ...NO_BREAKER, throttling: {} }),
  ours('ours: defaults, with breakers', { timeout: '5s', attemptTimeout: '1s' }),
];

/** Everything is rejected: how many requests per call do the servers receive? */
export const retryAmplification = compare({
  name: 'retry-amplification',
  about: `${INSTANCES} instances reject all of ${RATE} calls/s with a 503 for ${DURATION_MS / 1_000} s.`,
  settings: SETUPS,
  bounded: [TEN_PERCENT],
  measure: reject,
  head: ['calls', 'requests', 'amplification'],
  cells: ({ calls, sent }) => [count(calls), count(sent), times(sent / calls)],
  bounds: (of) => {
    const { sent, calls } = of(TEN_PERCENT);
    return [atMost('Amplification with a budget of 10%', sent / calls, 1.1, times)];
  },
});

async function reject(setup: Setup, seed: number): Promise<{ calls: number; sent: number }> {
  const world = await World.open({ seed });
  for (let n = 0; n < INSTANCES; n++) await world.start(`i${n}`, () => ({ serviceMs: () => 1, status: 503 }));
  const call = setup.open(world);
  const tally = new Tally();
  openLoop(world.clock, () => call({ path: '/' }), {
    rate: RATE,
    until: DURATION_MS,
    random: world.random('arrivals'),
    tally,
  });
  await world.clock.run(DURATION_MS + 60_000);
  await world.close();
  return { calls: tally.calls, sent: world.transport.sent };
}

function times(value: number): string {
  return `${value.toFixed(2)} ×`;
}
