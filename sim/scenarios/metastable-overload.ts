import { openLoop } from '../engine/open-loop.js';
import { exponential } from '../engine/randomness.js';
import { count, percent } from '../engine/table.js';
import { Tally } from '../engine/tally.js';
import { World } from '../engine/world.js';
import { peer } from '../peers/peer-client.js';
import { envoy, noRetries, opossumWithRetries, plainRetries, retriesWithBackoff } from '../peers/policies.js';
import { ours, type Setup } from '../peers/setup.js';
import { atLeast, atMost, type Bound, compare } from './scenario.js';

const INSTANCES = 5;
const WORKERS = 4;
const SERVICE_MS = 40;
/** The instances have a capacity of 500 calls/s. */
const RATE = 350;
const CALLERS = 5;
const TRIGGER_FROM_MS = 20_000;
const TRIGGER_UNTIL_MS = 30_000;
const SLOWER = 3;
const END_MS = 100_000;
const ATTEMPT_MS = 400;
const ATTEMPTS = 3;
const CALL_MS = ATTEMPT_MS * ATTEMPTS;
/** The overload is over when this share of the calls in ten seconds succeeds. */
const RECOVERED = 0.99;
const RECOVERY_LIMIT_MS = 5_000;

interface Setting {
  readonly name: string;
  readonly setup: Setup;
  /** Whether the servers drop requests whose deadline has passed. */
  readonly heedsDeadline: boolean;
}

const patience = { attemptTimeoutMs: ATTEMPT_MS };
const times = { timeout: CALL_MS, attemptTimeout: ATTEMPT_MS };
const setting = (setup: Setup, heedsDeadline = false): Setting => ({ name: setup.name, setup, heedsDeadline });

const PLAIN = setting(peer('3 attempts', plainRetries(patience)));
/** A tenth of the calls: within the spare capacity. */
const SPARING = { ...times, circuitBreaker: false, retry: { budget: { ratio: 0.1, minPerSecond: 1 } } } as const;
const ADAPTIVE = { ...SPARING, adaptiveConcurrency: { maxQueue: 20, maxWait: '200ms' } } as const;
const OURS = setting(ours('ours: budget of 10%, deadlines, adaptive limit', ADAPTIVE), true);

const SETTINGS: readonly Setting[] = [
  setting(peer('no retries', noRetries(patience))),
  PLAIN,
  setting(peer('3 attempts, backoff, full jitter', retriesWithBackoff(patience, 100))),
  setting(peer('3 attempts in opossum', opossumWithRetries(patience))),
  setting(peer('Envoy: defaults', envoy(patience))),
  setting(ours('ours: budget of 20% + 10/s a caller', { ...times, circuitBreaker: false })),
  setting(ours('ours: budget of 10%', SPARING)),
  setting(ours('ours: budget of 10%, throttling', { ...SPARING, throttling: { window: '10s' } })),
  setting(ours('ours: breakers of 60 s', times)),
  setting(ours('ours: breakers of 5 s', { ...times, circuitBreaker: { recoveryTimeout: '5s' } })),
  setting(ours('ours: budget of 10%, adaptive limit', ADAPTIVE)),
  setting(ours('ours: budget of 10%, deadlines', SPARING), true),
  OURS,
];

/** A short trigger leaves an overload that is sustained by its own retries. */
export const metastableOverload = compare({
  name: 'metastable-overload',
  about:
    `${INSTANCES} instances can serve ${(INSTANCES * WORKERS * 1_000) / SERVICE_MS} calls/s and get ${RATE} of ${CALLERS} callers; from second ` +
    `${TRIGGER_FROM_MS / 1_000} to ${TRIGGER_UNTIL_MS / 1_000} they are ${SLOWER} times slower. An attempt is given up after ${ATTEMPT_MS} ms.`,
  settings: SETTINGS,
  bounded: [PLAIN, OURS],
  measure: overload,
  head: ['success during', '30 s later', 'at the end', 'recovered after', 'failed', 'requests'],
  cells: ({ tally, sent }) => [
    percent(tally.success(TRIGGER_FROM_MS, TRIGGER_UNTIL_MS), 1),
    percent(tally.success(TRIGGER_UNTIL_MS, TRIGGER_UNTIL_MS + 30_000), 1),
    percent(tally.success(END_MS - 15_000, END_MS), 1),
    seconds(recoveryMs(tally)),
    count(tally.failures),
    count(sent),
  ],
  bounds: (of) => [
    never('Plain retries keep the overload up', of(PLAIN).tally),
    atMost('Ours: time to recover', recoveryMs(of(OURS).tally), RECOVERY_LIMIT_MS, seconds),
    atLeast('Ours: success at the end', of(OURS).tally.success(END_MS - 15_000, END_MS), 0.995, percent),
  ],
});

async function overload({ setup, heedsDeadline }: Setting, seed: number): Promise<{ tally: Tally; sent: number }> {
  const world = await World.open({ seed });
  const { clock } = world;
  for (let n = 0; n < INSTANCES; n++) {
    await world.start(`i${n}`, (random) => {
      const isTriggered = (): boolean => clock.now() >= TRIGGER_FROM_MS && clock.now() < TRIGGER_UNTIL_MS;
      const serviceMs = (): number => exponential(random, isTriggered() ? SLOWER * SERVICE_MS : SERVICE_MS);
      return { workers: WORKERS, heedsDeadline, serviceMs };
    });
  }
  const tally = new Tally();
  for (let n = 0; n < CALLERS; n++) {
    const call = setup.open(world, `caller${n}`);
    const random = world.random(`arrivals${n}`);
    openLoop(clock, () => call({ path: '/' }), { rate: RATE / CALLERS, until: END_MS, random, tally });
  }
  await clock.run(END_MS + 2 * CALL_MS);
  await world.close();
  return { tally, sent: world.transport.sent };
}

/** Infinity: never. */
function recoveryMs(tally: Tally): number {
  const recoveredAt = tally.recoveredAt(RECOVERED, TRIGGER_UNTIL_MS, 10_000);
  return Number.isNaN(recoveredAt) ? Number.POSITIVE_INFINITY : recoveredAt - TRIGGER_UNTIL_MS;
}

function seconds(ms: number): string {
  return Number.isFinite(ms) ? `${ms / 1_000} s` : 'never';
}

function never(what: string, tally: Tally): Bound {
  const success = tally.success(END_MS - 15_000, END_MS);
  return { text: `${what}: ${percent(success)} succeed at the end`, holds: success < 0.5 };
}
