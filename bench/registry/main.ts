/** Compares the registry on Redis with the bare machine. See ../README.md. */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';
import { measureChanges } from './changes.js';
import { CLUSTER_COST_HEAD, measureClusterCost } from './cluster-cost.js';
import { measureCost } from './cost.js';
import { FLEET_HEAD, measureFleet } from './fleet.js';
import { COST_HEAD } from './spent.js';
import { measureThroughput, type Throughput } from './throughput.js';
import { runCommand } from '../support/command-line.js';
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
  const signed = await measureThroughput(url, REGISTERED, SERVICES, { key: 'k'.repeat(32) });
  const watcherScript = fileURLToPath(new URL('./watcher.js', import.meta.url));
  const size = { processes: 10, services: SERVICES, instances: 10_000, changes: 1_000, rate: 100 };
  const changes = await measureChanges({ url, watcherScript, ...size });
  console.log(
    tableOf(
      ['', 'ours', 'floor', 'ratio'],
      rowsOf([register, renew, signed.register, signed.renew, changes.p50, changes.p99, changes.max, changes.memory]),
    ),
  );
  console.log(`\nBare HSETs in a pipeline, for comparison: ${shown(rounds[0]?.setsPerSecond ?? 0)}/s`);
  console.log(`Rates: the median of ${ROUNDS} rounds, by ratio, after one to warm up; signed: one round.`);
}

function median<T extends Parameters<typeof ratioOf>[0]>(measured: readonly T[]): T {
  const sorted = [...measured].sort((a, b) => ratioOf(a) - ratioOf(b));
  return sorted[Math.floor(sorted.length / 2)]!;
}

function read(args: string[]): { readonly isCost: boolean } {
  const { positionals } = parseArgs({ args, allowPositionals: true, options: {} });
  const strange = positionals.find((word) => word !== 'cost');
  if (strange !== undefined) throw new RangeError(`${strange}: the one word that there is is cost`);
  return { isCost: positionals.length > 0 };
}

async function run({ isCost }: { readonly isCost: boolean }): Promise<void> {
  const redis = await startRedis();
  try {
    const client = new Redis(redis.url);
    const [, version] = /redis_version:(\S+)/.exec(await client.info('server')) ?? [];
    client.disconnect();
    console.log(`Node ${process.version}, Redis ${version}\n`);
    await (isCost ? showCost(redis.url) : benchRegistry(redis.url));
  } finally {
    await redis.stop();
  }
}

async function showCost(url: string): Promise<void> {
  const costs = await measureCost(url);
  console.log(tableOf(COST_HEAD, costs.rows));
  console.log(`\n${tableOf(FLEET_HEAD, await measureFleet(url, costs.costOf))}`);
  console.log(`\n${tableOf(CLUSTER_COST_HEAD, await measureClusterCost())}`);
}

await runCommand('bench:registry', read, run);
