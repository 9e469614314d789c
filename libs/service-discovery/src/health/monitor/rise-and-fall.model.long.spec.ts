import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { seededRandom } from '../../common/index.js';
import { type HealthStatus, type ServiceInstance } from '../../model/index.js';
import { ServiceRegistry } from '../../registry/index.js';
import { MemoryRegistryStore } from '../../store/index.js';
import { ManualClock } from '../../testing/index.js';
import { HealthMonitor, type MonitoredRegistry } from './health-monitor.js';
import { resolveHealthCheckOptions } from '../options.js';
import { HttpProbe } from '../probes/http-probe.js';
import { type Probe } from '../probes/probe.js';
import { type Thresholds as AllThresholds } from '../check-plan.js';

type Thresholds = Pick<AllThresholds, 'rise' | 'fall'>;

const OUTCOMES = ['success', 'failure', 'timeout', 'skipped'] as const;
type Outcome = (typeof OUTCOMES)[number];

const LONGEST = 6;
/** Promises run after each tick, rather than after each of thousands of timers. */
const TICK_MS = 200;

/** Every sequence of exactly `length` outcomes; shorter ones are their prefixes. */
function sequencesOf(length: number): Outcome[][] {
  if (length === 0) return [[]];
  return sequencesOf(length - 1).flatMap((start) => OUTCOMES.map((next) => [...start, next]));
}

/**
 * The documented rule applied to all results, without counters: the first result decides, then `rise` successes without
 * a failure in between make an instance healthy, and `fall` failures without a success in between unhealthy. Skipped
 * results do not count.
 */
function statusAfter(outcomes: readonly Outcome[], { rise, fall }: Thresholds): HealthStatus {
  const passes = outcomes.filter((outcome) => outcome !== 'skipped').map((outcome) => outcome === 'success');
  for (let end = passes.length; end > 0; end--) {
    const before = passes.slice(0, end);
    if (before.length >= rise && before.slice(-rise).every((passed) => passed)) return 'healthy';
    if (before.length >= fall && before.slice(-fall).every((passed) => !passed)) return 'unhealthy';
  }
  return passes[0] === undefined ? 'unknown' : passes[0] ? 'healthy' : 'unhealthy';
}

const expectedFor = (sequences: readonly Outcome[][], thresholds: Thresholds): HealthStatus[][] =>
  sequences.map((outcomes) => outcomes.map((_, index) => statusAfter(outcomes.slice(0, index + 1), thresholds)));

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Returns a probe that has a given outcome. */
type ProbeFor = (outcome: Outcome) => Probe;

/** Answers at once, or never, ignoring the abort. */
const scripted: ProbeFor = (outcome) => ({
  check: () =>
    outcome === 'timeout'
      ? new Promise(() => undefined)
      : Promise.resolve({ passed: outcome === 'success', skipped: outcome === 'skipped' || undefined }),
});

const STATUS_OF: Readonly<Record<string, number>> = { success: 204, failure: 503, skipped: 404 };

/** A real endpoint that returns a different status per path, and never responds on one of them. */
async function overHttp(): Promise<{ probeFor: ProbeFor; port: number }> {
  const server = createServer(({ url = '' }, response) => {
    const status = STATUS_OF[url.slice(1)];
    if (status !== undefined) response.writeHead(status).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(async () => {
    server.closeAllConnections();
    server.close();
  });
  const lists = { healthyStatuses: [[200, 299]], unhealthyStatuses: [[500, 599]], bodyLimit: 1_000 } as const;
  const probes = new Map(OUTCOMES.map((outcome) => [outcome, new HttpProbe({ ...lists, path: `/${outcome}` })]));
  return { probeFor: (outcome) => probes.get(outcome)!, port: (server.address() as AddressInfo).port };
}

/** Checks one instance per sequence concurrently and records the status after each result. */
async function observe(
  sequences: readonly Outcome[][],
  thresholds: Thresholds,
  { probeFor, port }: { probeFor: ProbeFor; port: number } = { probeFor: scripted, port: 8080 },
): Promise<HealthStatus[][]> {
  const length = sequences[0]!.length;
  const clock = new ManualClock();
  const registry = new ServiceRegistry(new MemoryRegistryStore({ clock }), {}, { clock, random: seededRandom(1) });
  closers.push(() => registry.close());
  await registry.start();
  const ids = sequences.map((_, index) => `i${index}`);
  const seen = new Map<string, HealthStatus[]>(ids.map((id) => [id, []]));
  const asked = new Map<string, number>();
  const outcomesOf = ({ instanceId }: ServiceInstance): Outcome[] => sequences[Number(instanceId.slice(1))]!;
  let answersDue = 0;
  const probe: Probe = {
    check: async (instance, signal) => {
      const turn = asked.get(instance.instanceId) ?? 0;
      asked.set(instance.instanceId, turn + 1);
      const outcome = outcomesOf(instance)[turn] ?? 'success';
      const due = outcome === 'timeout' ? 0 : 1;
      answersDue += due;
      try {
        return await probeFor(outcome).check(instance, signal);
      } finally {
        answersDue -= due;
      }
    },
  };
  const observed: MonitoredRegistry = {
    get snapshot() {
      return registry.snapshot;
    },
    onChange: (listener) => registry.onChange(listener),
    setStatus: async (key, ...rest) => {
      const found = await registry.setStatus(key, ...rest);
      seen.get(key.instanceId)!.push(registry.getInstance(key)!.healthStatus);
      return found;
    },
    passedCheck: (instance) => registry.passedCheck(instance),
  };
  const options = resolveHealthCheckOptions({ interval: '60s', timeout: '1s', concurrency: 10_000, ...thresholds });
  const plan = { schedule: options.schedule, probe };
  const monitor = new HealthMonitor(observed, () => plan, options, { clock, random: seededRandom(2) });
  closers.push(() => monitor.close());
  for (const [index, instanceId] of ids.entries()) {
    await registry.register(
      { serviceName: `s${index % 64}`, host: '127.0.0.1', port, instanceId, ttl: '1d' },
      { heartbeat: 'manual' },
    );
  }
  monitor.start();
  for (let elapsedMs = 0; elapsedMs < 60_000 * (length + 2); elapsedMs += TICK_MS) {
    clock.advance(TICK_MS);
    for (let turn = 0; turn < 3 || answersDue > 0; turn++) await nextTurn();
  }
  return ids.map((id) => seen.get(id)!.slice(0, length));
}

describe('rise and fall, through the monitor', () => {
  it.each<Thresholds>([
    { rise: 2, fall: 3 },
    { rise: 1, fall: 1 },
    { rise: 3, fall: 2 },
    { rise: 1, fall: 4 },
  ])(
    'says what the rule says after each of all sequences of up to six results, with rise $rise and fall $fall',
    async (thresholds) => {
      const sequences = sequencesOf(LONGEST);
      const observed = await observe(sequences, thresholds);
      expect(observed).toEqual(expectedFor(sequences, thresholds));
    },
  );

  it('classifies the statuses of a real endpoint as healthy, unhealthy or neither', async () => {
    const thresholds = { rise: 2, fall: 2 };
    const sequences = sequencesOf(LONGEST);
    const observed = await observe(sequences, thresholds, await overHttp());
    expect(observed).toEqual(expectedFor(sequences, thresholds));
  }, 600_000);
});
