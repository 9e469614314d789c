/** Measures the registry on Redis beside what the bare machine does. See ../README.md. */
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { measureChanges } from './changes.js';
import { CLUSTER_COST_HEAD, measureClusterCost } from './cluster-cost.js';
import { measureCost } from './cost.js';
import { FLEET_HEAD, measureFleet } from './fleet.js';
import { COST_HEAD } from './spent.js';
import { measureThroughput, type Throughput } from './throughput.js';
import { startRedis } from '../support/redis-process.js';
import { ratioOf, rowsOf, shown, tableOf } from '../support/table.js';

const SERVICES = 1_000;
const REGISTERED = 100_000;
const ROUNDS = 3;

async function benchRegistry(url: string): Promise<void> {
  await measureThroughput(url, 20_000, SERVICES);
  const rounds: Throughput[] = [];
  for (let n = 0; n < ROUNDS; n++) rounds.push(await measureThroughput(url, REGISTERED, SERVICES));
  const register = median(rounds.map((round) => round.register));
  const renew = median(rounds.map((round) => round.renew));
  const watcherScript = fileURLToPath(new URL('./watcher.js', import.meta.url));
  const size = { processes: 10, services: SERVICES, instances: 10_000, changes: 1_000, rate: 100 };
  const changes = await measureChanges({ url, watcherScript, ...size });
  console.log(
    tableOf(
      ['', 'ours', 'floor', 'ratio'],
      rowsOf([register, renew, changes.p50, changes.p99, changes.max, changes.memory]),
    ),
  );
  console.log(`\nBare HSETs in a pipeline, for comparison: ${shown(rounds[0]?.setsPerSecond ?? 0)}/s`);
  console.log(`Rates: the median of ${ROUNDS} rounds, by ratio, after one to warm up.`);
}

function median<T extends Parameters<typeof ratioOf>[0]>(measured: readonly T[]): T {
  const sorted = [...measured].sort((a, b) => ratioOf(a) - ratioOf(b));
  return sorted[Math.floor(sorted.length / 2)]!;
}

const redis = await startRedis();
try {
  const client = new Redis(redis.url);
  const [, version] = /redis_version:(\S+)/.exec(await client.info('server')) ?? [];
  client.disconnect();
  console.log(`Node ${process.version}, Redis ${version}\n`);
  if (process.argv[2] === 'cost') {
    const costs = await measureCost(redis.url);
    console.log(tableOf(COST_HEAD, costs.rows));
    console.log(`\n${tableOf(FLEET_HEAD, await measureFleet(redis.url, costs.costOf))}`);
    console.log(`\n${tableOf(CLUSTER_COST_HEAD, await measureClusterCost())}`);
  } else await benchRegistry(redis.url);
} finally {
  await redis.stop();
}
