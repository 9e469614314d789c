import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { AggregatorRegistry, Counter, Histogram, type Metric, Registry } from 'prom-client';
import { modelRuns } from '../../../../test/support/model-runs.js';
import { InstanceCounter } from './instance-counter.js';
import { LabelCounter } from './label-counter.js';
import { ServiceCounter } from './service-counter.js';
import { ServiceHistogram } from './service-histogram.js';

const BOUNDS = [0.001, 0.01, 0.5, 10];

interface Counts {
  registered(): void;
  picked(service: string, instance: string, strategy: string): void;
  refused(service: string): void;
  completed(service: string, result: string, code: string, seconds: number): void;
}

/** Our metrics. */
function count(registry: Registry): Counts {
  const registrations = new LabelCounter('registrations_total', 'Registrations');
  const picks = new InstanceCounter('picks_total', 'Picks', 'strategy');
  const refusals = new ServiceCounter('refusals_total', 'Refusals', []);
  const calls = new ServiceCounter('calls_total', 'Calls "\\\n"', ['result', 'code']);
  const durations = new ServiceHistogram('duration_seconds', 'Duration', 'result', BOUNDS);
  for (const metric of [registrations, picks, refusals, calls, durations]) {
    registry.registerMetric(metric as unknown as Metric);
  }
  return {
    registered: () => registrations.increment(),
    picked: (service, instance, strategy) => picks.increment(service, instance, strategy),
    refused: (service) => refusals.increment(service),
    completed: (service, result, code, seconds) => {
      calls.increment(service, result, code);
      durations.observe(service, result, seconds);
    },
  };
}

/** The same metrics by prom-client. */
function countWithPromClient(registry: Registry): Counts {
  const registers = [registry];
  const registrations = new Counter({ name: 'registrations_total', help: 'Registrations', registers });
  const picks = new Counter({
    name: 'picks_total',
    help: 'Picks',
    labelNames: ['service', 'instance', 'strategy'],
    registers,
  });
  const refusals = new Counter({ name: 'refusals_total', help: 'Refusals', labelNames: ['service'], registers });
  const calls = new Counter({
    name: 'calls_total',
    help: 'Calls "\\\n"',
    labelNames: ['service', 'result', 'code'],
    registers,
  });
  const durations = new Histogram({
    name: 'duration_seconds',
    help: 'Duration',
    labelNames: ['service', 'result'],
    buckets: BOUNDS,
    registers,
  });
  return {
    registered: () => registrations.inc(),
    picked: (service, instance, strategy) => picks.inc({ service, instance, strategy }),
    refused: (service) => refusals.inc({ service }),
    completed: (service, result, code, seconds) => {
      calls.inc({ service, result, code });
      durations.observe({ service, result }, seconds);
    },
  };
}

type Step =
  | { readonly kind: 'registered' }
  | { readonly kind: 'picked'; readonly service: string; readonly instance: string; readonly strategy: string }
  | { readonly kind: 'refused'; readonly service: string }
  | { readonly kind: 'completed'; readonly service: string; readonly code: string; readonly seconds: number }
  | { readonly kind: 'reset' };

const service = fc.constantFrom('users', 'orders', 'a "quoted"\\one\n');
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('registered' as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('picked' as const),
      service,
      instance: fc.constantFrom('a', 'b', ''),
      strategy: fc.constantFrom('random', 'maglev'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('refused' as const), service }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('completed' as const),
      service,
      code: fc.constantFrom('', 'CIRCUIT_OPEN', 'DEADLINE_EXCEEDED'),
      // At the bounds, below and above them.
      seconds: fc.oneof(fc.constantFrom(0, ...BOUNDS, 10.000_001), fc.double({ min: 0, max: 12, noNaN: true })),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reset' as const) }) },
);

interface Format {
  readonly contentType: typeof Registry.PROMETHEUS_CONTENT_TYPE | typeof Registry.OPENMETRICS_CONTENT_TYPE;
  readonly defaultLabels: object;
}

const format: fc.Arbitrary<Format> = fc.record({
  contentType: fc.constantFrom(Registry.PROMETHEUS_CONTENT_TYPE, Registry.OPENMETRICS_CONTENT_TYPE),
  defaultLabels: fc.constantFrom({}, { app: 'shop' }, { app: 'shop', service: 'default' }),
});

function take(steps: readonly Step[], counts: Counts, registry: Registry): void {
  for (const next of steps) {
    if (next.kind === 'reset') registry.resetMetrics();
    if (next.kind === 'registered') counts.registered();
    if (next.kind === 'refused') counts.refused(next.service);
    if (next.kind === 'picked') counts.picked(next.service, next.instance, next.strategy);
    if (next.kind === 'completed') {
      counts.completed(next.service, next.code === '' ? 'success' : 'failure', next.code, next.seconds);
    }
  }
}

function create({ contentType, defaultLabels }: Format): Registry {
  const registry = new Registry();
  registry.setContentType(contentType as typeof Registry.PROMETHEUS_CONTENT_TYPE);
  registry.setDefaultLabels(defaultLabels);
  return registry;
}

type Shown = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

/** Sorted, since no format defines the order of series. Exemplars are disabled but have a value. */
function sorted(metrics: Shown): unknown {
  return metrics.map(({ values, ...rest }) => ({
    ...rest,
    values: values
      .map(({ value, labels, ...other }) => ({ value, labels, name: 'metricName' in other ? other.metricName : '' }))
      .map((shown) => [JSON.stringify(Object.entries(shown.labels).sort()), shown] as const)
      .sort(([a, { name: x }], [b, { name: y }]) => `${a} ${String(x)}`.localeCompare(`${b} ${String(y)}`)),
  }));
}

describe('scraped metrics', () => {
  it('produce the same output as those of prom-client, in any order of series', async () => {
    const property = fc.asyncProperty(format, fc.array(step, { maxLength: 40 }), async (given, steps) => {
      const [ours, theirs] = [create(given), create(given)];
      take(steps, count(ours), ours);
      take(steps, countWithPromClient(theirs), theirs);
      expect(sorted(await ours.getMetricsAsJSON())).toEqual(sorted(await theirs.getMetricsAsJSON()));
      expect((await ours.metrics()).split('\n').sort()).toEqual((await theirs.metrics()).split('\n').sort());
    });
    await fc.assert(property, modelRuns('metrics beside those of prom-client', 100));
  });

  it('produce the same output when services are called one after the other', async () => {
    const given = { contentType: Registry.PROMETHEUS_CONTENT_TYPE, defaultLabels: { app: 'shop' } } as const;
    const [ours, theirs] = [create(given), create(given)];
    for (const counts of [count(ours), countWithPromClient(theirs)]) {
      for (const name of ['users', 'orders']) {
        counts.refused(name);
        for (const instance of ['b', 'a', 'b']) counts.picked(name, instance, 'random');
        for (const code of ['CIRCUIT_OPEN', '', '']) {
          counts.completed(name, code === '' ? 'success' : 'failure', code, 0.3);
        }
      }
    }
    expect(await ours.metrics()).toBe(await theirs.metrics());
    expect(await ours.getSingleMetricAsString('calls_total')).toBe(await theirs.getSingleMetricAsString('calls_total'));
  });

  it('are aggregated over the processes of a cluster', async () => {
    const given = { contentType: Registry.PROMETHEUS_CONTENT_TYPE, defaultLabels: {} } as const;
    const steps = fc.sample(fc.array(step, { minLength: 30 }), { numRuns: 3, seed: 1 });
    const merged = await Promise.all(
      [count, countWithPromClient].map(async (start) => {
        const workers = steps.map((taken) => {
          const registry = create(given);
          take(taken, start(registry), registry);
          return registry;
        });
        const told = await Promise.all(workers.map((worker) => worker.getMetricsAsJSON()));
        // As sent between processes.
        const all = AggregatorRegistry.aggregate(JSON.parse(JSON.stringify(told)) as object[]);
        return (await all.metrics()).split('\n').sort();
      }),
    );
    expect(merged[0]).toEqual(merged[1]);
    expect(merged[0]!.length).toBeGreaterThan(30);
  });
});
