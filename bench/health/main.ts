/** Measures the cost of checking thousands of instances over real sockets in one process. See ../README.md. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { answerOf, stop } from '../support/child-process.js';
import { countOf, runCommand } from '../support/command-line.js';
import { startRedis } from '../support/redis-process.js';
import { shown, tableOf } from '../support/table.js';
import { type CheckerTask, type IntervalFigures } from './figures.js';

/** The checker closes connections, whose ports stay in TIME_WAIT for a minute: a single server port would run out. */
const PORTS = 40;

const scriptAt = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

interface Request extends Pick<CheckerTask, 'instances' | 'services' | 'intervalMs' | 'intervals'> {
  readonly withRedis: boolean;
}

function read(args: string[]): Request {
  const { values } = parseArgs({
    args,
    options: {
      instances: { type: 'string', default: '10000' },
      services: { type: 'string', default: '100' },
      /** Seconds. */
      interval: { type: 'string', default: '30' },
      intervals: { type: 'string', default: '5' },
      redis: { type: 'boolean', default: false },
    },
  });
  return {
    instances: countOf('instances', values.instances),
    services: countOf('services', values.services),
    intervalMs: countOf('interval', values.interval) * 1_000,
    intervals: countOf('intervals', values.intervals),
    withRedis: values.redis,
  };
}

async function run({ withRedis, ...request }: Request): Promise<void> {
  const servers = fork(scriptAt('../calls/servers/backends.js'), [String(PORTS)]);
  const redis = withRedis ? await startRedis() : undefined;
  try {
    const ports = await answerOf<readonly number[]>(servers, 'the servers');
    await check({ ...request, ports, redisUrl: redis?.url });
  } finally {
    await stop(servers);
    await redis?.stop();
  }
}

async function check(task: CheckerTask): Promise<void> {
  const { instances, services, intervals, intervalMs } = task;
  const every = `each checked every ${intervalMs / 1_000} s`;
  console.log(`Node ${process.version}: ${instances} instances of ${services} services, ${every}`);
  console.log(`The first interval starts with all registrations at once, so no instance has been checked.\n`);
  const figures: IntervalFigures[] = [];
  const checker = fork(scriptAt('checker.js'), [JSON.stringify(task)], { execArgv: ['--expose-gc'] });
  checker.on('message', (interval: IntervalFigures) => {
    figures.push(interval);
    console.error(`interval ${figures.length} of ${intervals}`);
  });
  await once(checker, 'exit');
  const perSecond = (instances * 1_000) / intervalMs;
  console.log(
    tableOf(
      headOf(task),
      figures.map((one, index) => rowOf(one, index, perSecond)),
    ),
  );
}

function headOf({ redisUrl }: CheckerTask): string[] {
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
  return redisUrl ? [...head, 'Redis commands', 'bytes in a check', 'bytes out a check'] : head;
}

/** @param perSecond average checks per second */
function rowOf(figures: IntervalFigures, index: number, perSecond: number): string[] {
  const { checks, failed, cpuMs, elapsedMs, busiestSecond, changes, heapUsed, rss } = figures;
  const row = [
    String(index + 1),
    String(checks),
    String(failed),
    `${((100 * cpuMs) / elapsedMs).toFixed(1)}%`,
    shown((1_000 * cpuMs) / checks),
    (busiestSecond / perSecond).toFixed(2),
    String(changes),
    (heapUsed / 2 ** 20).toFixed(1),
    (rss / 2 ** 20).toFixed(0),
  ];
  if (!figures.redis) return row;
  const { commands, bytesIn, bytesOut } = figures.redis;
  return [...row, String(commands), shown(bytesIn / checks), shown(bytesOut / checks)];
}

await runCommand('bench:health', read, run);
