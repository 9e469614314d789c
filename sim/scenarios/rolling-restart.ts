import { openLoop } from '../engine/open-loop.js';
import { exponential } from '../engine/randomness.js';
import { type SimServer } from '../engine/sim-server.js';
import { count, milliseconds } from '../engine/table.js';
import { Tally } from '../engine/tally.js';
import { SERVICE, World } from '../engine/world.js';
import { peer } from '../peers/peer-client.js';
import { axiosRetry, envoy, kong, noRetries } from '../peers/policies.js';
import { ours, type Setup } from '../peers/setup.js';
import { atMost, compare } from './scenario.js';

const INSTANCES = 10;
const RATE = 200;
const POST_SHARE = 0.2;
const SERVICE_MS = 80;
const REGISTRY_LAG_MS = 1_000;
const FIRST_RESTART_MS = 5_000;
const DOWN_MS = 3_000;
const BETWEEN_RESTARTS_MS = 2_000;
/** The module's default over Redis. */
const DRAIN_DELAY_MS = 300;
const PATIENCE_MS = 5_000;

/**
 * How a process exits:
 * - `at once`: without a handler for SIGTERM, work in progress is lost;
 * - `after its work`: it stops accepting connections and finishes its requests;
 * - `drained`: like the module, it announces that it drains, continues for a moment, then exits after its work.
 */
type Ending = 'at once' | 'after its work' | 'drained';

interface Setting {
  readonly name: string;
  readonly setup: Setup;
  readonly ending: Ending;
}

const patience = { attemptTimeoutMs: PATIENCE_MS };
const OURS = ours('ours', { timeout: PATIENCE_MS, attemptTimeout: PATIENCE_MS });
const setting = (setup: Setup, ending: Ending): Setting => ({ name: `${setup.name}, ends ${ending}`, setup, ending });
const OURS_DRAINED: Setting = { name: 'ours, drained', setup: OURS, ending: 'drained' };

const SETTINGS: readonly Setting[] = [
  ...[
    peer('no retries', noRetries(patience)),
    peer('axios-retry', axiosRetry(patience)),
    peer('Envoy', envoy(patience)),
    peer('Kong', kong(patience)),
    OURS,
  ].flatMap((setup) => [setting(setup, 'at once'), setting(setup, 'after its work')]),
  OURS_DRAINED,
];

interface Restarted {
  readonly tally: Tally;
  readonly failedPosts: number;
  /** POSTs that reached two servers. */
  readonly repeatedPosts: number;
}

/** A deployment: each instance in turn exits and returns. */
export const rollingRestart = compare({
  name: 'rolling-restart',
  about:
    `${INSTANCES} instances restart one after the other, each away for ${DOWN_MS / 1_000} s. ${RATE} calls/s of about ${SERVICE_MS} ms, ` +
    `one in five a POST; callers hear of changes ${REGISTRY_LAG_MS / 1_000} s late.`,
  settings: SETTINGS,
  bounded: [OURS_DRAINED],
  measure: restartAll,
  head: ['calls', 'failed', 'of these POSTs', 'POSTs served twice', 'p99'],
  cells: ({ tally, failedPosts, repeatedPosts }) => [
    count(tally.calls),
    count(tally.failures),
    count(failedPosts),
    count(repeatedPosts),
    milliseconds(tally.latency(0.99)),
  ],
  bounds: (of) => [
    atMost('Failures with ours, drained', of(OURS_DRAINED).tally.failures, 0, count),
    atMost('POSTs served twice with ours, drained', of(OURS_DRAINED).repeatedPosts, 0, count),
  ],
});

async function restartAll({ setup, ending }: Setting, seed: number): Promise<Restarted> {
  const world = await World.open({ seed, registryLagMs: REGISTRY_LAG_MS });
  const { clock } = world;
  const arrivals = new Map<string, number>();
  const start = (id: string): Promise<SimServer> =>
    world.start(id, (random) => ({
      serviceMs: ({ method, path }) => {
        if (method === 'POST') arrivals.set(path, (arrivals.get(path) ?? 0) + 1);
        return exponential(random, SERVICE_MS);
      },
    }));
  const ids = Array.from({ length: INSTANCES }, (_, n) => `i${n}`);
  for (const id of ids) await start(id);
  const end = FIRST_RESTART_MS + INSTANCES * (DOWN_MS + BETWEEN_RESTARTS_MS + DRAIN_DELAY_MS) + 5_000;

  const call = setup.open(world);
  const tally = new Tally();
  const random = world.random('methods');
  let failedPosts = 0;
  const callOne = async (n: number): Promise<boolean> => {
    const method = random() < POST_SHARE ? 'POST' : 'GET';
    const isGood = await call({ method, path: `/${n}` }).catch(() => false);
    if (!isGood && method === 'POST') failedPosts++;
    return isGood;
  };
  openLoop(clock, callOne, { rate: RATE, from: 1_500, until: end, random: world.random('arrivals'), tally });

  const restarts = async (): Promise<void> => {
    await clock.after(FIRST_RESTART_MS);
    for (const id of ids) {
      await endProcess(world, id, ending);
      await clock.after(DOWN_MS);
      await start(id);
      await clock.after(BETWEEN_RESTARTS_MS);
    }
  };
  const restarted = restarts();
  await clock.run(end + 2 * PATIENCE_MS);
  await restarted;
  await world.close();
  return { tally, failedPosts, repeatedPosts: [...arrivals.values()].filter((times) => times > 1).length };
}

async function endProcess(world: World, instanceId: string, ending: Ending): Promise<void> {
  const key = { serviceName: SERVICE, instanceId };
  const server = world.servers.get(instanceId)!;
  if (ending === 'drained') {
    await world.registry.setStatus(key, 'draining');
    await world.clock.after(DRAIN_DELAY_MS);
  }
  await world.registry.deregister(key);
  if (ending === 'at once') server.kill();
  else await server.close();
}
