import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { measureChanges } from '../bench/registry/changes.js';
import { measureThroughput } from '../bench/registry/throughput.js';
import { rowsOf, shown, tableOf, type Measured } from '../bench/support/table.js';
import { addSources, type BuiltPackage, buildPackage, BUILD_TIMEOUT_MS } from './support/built-package.js';
import { RedisServer } from './support/redis-server.js';

const SERVICES = 1_000;

let built: BuiltPackage;
let server: RedisServer;

beforeAll(async () => {
  built = await buildPackage({ name: 'scale', type: 'module' });
  server = await RedisServer.start();
  await addSources(built, 'bench');
}, BUILD_TIMEOUT_MS);
afterAll(async () => {
  await server.stop();
  await built.remove();
});

/** The figures are reported but not asserted, since the machine may be busy. */
function show(title: string, measured: readonly Measured[]): void {
  process.stdout.write(`${title}\n${tableOf(['', 'ours', 'floor', 'ratio'], rowsOf(measured))}\n`);
}

describe('a registry on one Redis, at scale', () => {
  it('delivers every change of 10,000 instances of 1,000 services to 10 processes, in at most 20 MB each', async () => {
    const changes = 300;
    const size = { processes: 10, services: SERVICES, instances: 10_000, changes, rate: 50 };
    const watcherScript = join(built.consumer, 'registry/watcher.js');
    const measured = await measureChanges({ url: server.url, watcherScript, ...size });
    const { p50, p99, max, memory, received, perProcess } = measured;
    show('10 processes, 1,000 services, 10,000 instances; floor: bare PUBLISH, JSON.parse', [p50, p99, max, memory]);
    expect(received).toEqual(Array.from({ length: 10 }, () => changes));
    expect(perProcess.filter(({ watchedBytes }) => watchedBytes > 20e6)).toEqual([]);
  }, 120_000);

  it('registers and renews 100,000 instances of 1,000 services', async () => {
    const count = 100_000;
    const { register, renew, setsPerSecond, registered, renewed } = await measureThroughput(
      server.url,
      count,
      SERVICES,
    );
    show('100,000 instances; floor: the same writes as a bare pipeline', [register, renew]);
    process.stdout.write(`Bare HSETs in a pipeline: ${shown(setsPerSecond)}/s\n`);
    expect({ registered, renewed }).toEqual({ registered: count, renewed: count });
  }, 120_000);
});
