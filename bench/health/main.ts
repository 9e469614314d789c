/** Measures what it costs one process to check thousands of instances over real sockets. See ../README.md. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { answerOf, stop } from '../support/child-process.js';
import { startRedis } from '../support/redis-process.js';
import { shown, tableOf } from '../support/table.js';
import { type CheckerTask, type IntervalFigures } from './figures.js';

const { values } = parseArgs({
  options: {
    instances: { type: 'string', default: '10000' },
    services: { type: 'string', default: '100' },
    /** Seconds. */
    interval: { type: 'string', default: '30' },
    intervals: { type: 'string', default: '5' },
    redis: { type: 'boolean', default: false },
  },
});

/** A connection is closed by the checker, and its port is not free for a minute: one port would run out of them. */
const PORTS = 40;

const scriptAt = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

const servers = fork(scriptAt('../calls/servers/backends.js'), [String(PORTS)]);
const redis = values.redis ? await startRedis() : undefined;
try {
  const ports = await answerOf<readonly number[]>(servers, 'the servers');
  const task: CheckerTask = {
    ports,
    instances: Number(values.instances),
    services: Number(values.services),
    intervalMs: Number(values.interval) * 1_000,
    intervals: Number(values.intervals),
    redisUrl: redis?.url,
  };
  const { instances, services, intervals } = task;
  console.log(
    `Node ${process.version}: ${instances} instances of ${services} services, each checked every ${values.interval} s`,
  );
  console.log(`The first interval begins with all registrations at once, after which nobody has been checked.\n`);
  const figures: IntervalFigures[] = [];
  const checker = fork(scriptAt('checker.js'), [JSON.stringify(task)], { execArgv: ['--expose-gc'] });
  checker.on('message', (interval: IntervalFigures) => {
    figures.push(interval);
    console.error(`interval ${figures.length} of ${intervals}`);
  });
  await once(checker, 'exit');
  console.log(tableOf(headOf(), figures.map(rowOf)));
} finally {
  await stop(servers);
  await redis?.stop();
}

function headOf(): string[] {
  const head = [
    'interval',
    'checks',
    'failed',
    'CPU',
    'µs a check',
    'busiest s / average',
    'changes',
    'heap MB',
    'rss MB',
  ];
  return redis ? [...head, 'Redis commands', 'bytes in a check', 'bytes out a check'] : head;
}

function rowOf(figures: IntervalFigures, index: number): string[] {
  const { checks, failed, cpuMs, elapsedMs, busiestSecond, changes, heapUsed, rss } = figures;
  const average = Number(values.instances) / Number(values.interval);
  const row = [
    String(index + 1),
    String(checks),
    String(failed),
    `${((100 * cpuMs) / elapsedMs).toFixed(1)}%`,
    shown((1_000 * cpuMs) / checks),
    (busiestSecond / average).toFixed(2),
    String(changes),
    (heapUsed / 2 ** 20).toFixed(1),
    (rss / 2 ** 20).toFixed(0),
  ];
  if (!figures.redis) return row;
  const { commands, bytesIn, bytesOut } = figures.redis;
  return [...row, String(commands), shown(bytesIn / checks), shown(bytesOut / checks)];
}
