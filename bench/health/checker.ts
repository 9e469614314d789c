/** The checking process: registers all instances at once, checks them, and reports the cost of each interval. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import {
  DiscoveryMetrics,
  EventBus,
  EventLogger,
  HealthMonitor,
  MemoryRegistryStore,
  planChecks,
  RedisRegistryStore,
  resolveHealthCheckOptions,
  ServiceRegistry,
  systemClock,
} from 'nest-service-discovery/core';
import { type CheckerTask, type IntervalFigures, type RedisFigures } from './figures.js';

const task = JSON.parse(process.argv[2] ?? '{}') as CheckerTask;
const NO_LOGGER = { debug: () => undefined, log: () => undefined, warn: () => undefined, error: () => undefined };

/** By second since the process started. */
const checksAt = new Map<number, number>();
let failed = 0;
let changes = 0;

const events = new EventBus();
events.on('health.checked', ({ passed }) => {
  const second = Math.floor(performance.now() / 1_000);
  checksAt.set(second, (checksAt.get(second) ?? 0) + 1);
  if (!passed) failed++;
});

const store = task.redisUrl ? new RedisRegistryStore({ url: task.redisUrl }) : new MemoryRegistryStore();
const registry = new ServiceRegistry(store, { serviceTtl: '1h' }, { events });
await registry.start();
registry.onChange((_snapshot, _previous, change) => void (change?.type === 'put' && changes++));
// Part of a Nest app's defaults.
new DiscoveryMetrics(events, registry);
new EventLogger(events, NO_LOGGER, {}, { clock: systemClock });

const options = resolveHealthCheckOptions({ interval: task.intervalMs });
new HealthMonitor(registry, planChecks(options), options, { events }).start();
const spy = task.redisUrl ? new Redis(task.redisUrl) : undefined;

let cpu = process.cpuUsage();
let since = performance.now();
let redisBefore = await redisFigures();
await Promise.all(
  Array.from({ length: task.instances }, (_, index) =>
    registry.register(
      {
        serviceName: `service-${index % task.services}`,
        instanceId: `instance-${index}`,
        host: '127.0.0.1',
        port: task.ports[index % task.ports.length]!,
        healthCheckPath: `/200/${index}`,
      },
      { heartbeat: 'manual' },
    ),
  ),
);

for (let interval = 0; interval < task.intervals; interval++) {
  await sleep(since + task.intervalMs - performance.now());
  process.send?.(await figures());
}
process.disconnect();
process.exit();

async function figures(): Promise<IntervalFigures> {
  const elapsedMs = performance.now() - since;
  const { user, system } = process.cpuUsage(cpu);
  const counts = [...checksAt.values()];
  const redis = await redisFigures();
  const cost = {
    checks: counts.reduce((sum, count) => sum + count, 0),
    failed,
    busiestSecond: Math.max(0, ...counts),
    cpuMs: (user + system) / 1_000,
    elapsedMs,
    changes,
    redis: redis && redisBefore && difference(redis, redisBefore),
  };
  // Collect before measuring, at no cost to the interval.
  globalThis.gc?.();
  const { heapUsed, rss } = process.memoryUsage();
  checksAt.clear();
  failed = changes = 0;
  redisBefore = redis;
  cpu = process.cpuUsage();
  since = performance.now();
  return { ...cost, heapUsed, rss };
}

async function redisFigures(): Promise<RedisFigures | undefined> {
  const info = await spy?.info('stats');
  if (info === undefined) return undefined;
  const value = (name: string): number => Number(new RegExp(`${name}:(\\d+)`).exec(info)?.[1]);
  return {
    commands: value('total_commands_processed'),
    bytesIn: value('total_net_input_bytes'),
    bytesOut: value('total_net_output_bytes'),
  };
}

function difference(now: RedisFigures, before: RedisFigures): RedisFigures {
  return {
    commands: now.commands - before.commands,
    bytesIn: now.bytesIn - before.bytesIn,
    bytesOut: now.bytesOut - before.bytesOut,
  };
}
