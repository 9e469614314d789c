import { type Spread } from '../support/statistics.js';
import { shownSpread, tableOf } from '../support/table.js';
import { laneOf, type Metric, ratioOf, type ScenarioResult } from './results.js';
import { type Lane, lane, laneToNode } from './scenarios.js';

/** A goal of the library, as a ratio between two lanes of a scenario. */
interface Target {
  readonly what: string;
  readonly scenario: string;
  readonly metric: Metric;
  readonly of: Lane;
  readonly to: Lane;
  /** Absent: shown for comparison only. */
  readonly bound?: { readonly atLeast: number } | { readonly atMost: number };
}

/** A target beside what was measured. */
export interface TargetResult {
  readonly what: string;
  readonly bound: string;
  /** Undefined if one of the lanes was not measured. */
  readonly measured: Spread | undefined;
  readonly reached: boolean | undefined;
}

const TARGETS: readonly Target[] = [
  beside('undici', 'requests/s', 'c64', 'requestsPerSecond', { atLeast: 0.9 }),
  beside('undici', 'p50', 'c1', 'p50Us', { atMost: 1 }),
  beside('undici', 'CPU a call', 'c64', 'cpuUsPerCall', { atMost: 1.15 }),
  beside('undici-dispatch', 'requests/s', 'c64', 'requestsPerSecond', { atLeast: 0.9 }),
  beside('undici-dispatch', 'CPU a call', 'c64', 'cpuUsPerCall', { atMost: 1.1 }),
  ...(['undici-nginx', 'undici-haproxy'] as const).flatMap((proxied): Target[] => [
    {
      ...beside(proxied, 'requests/s', 'node-http', 'requestsPerSecond', { atLeast: 1.3 }),
      what: `c64, servers of node:http: ours / ${proxied}, requests/s`,
      of: laneToNode('ours'),
      to: laneToNode(proxied),
    },
    {
      ...beside(proxied, 'requests/s', 'c64', 'requestsPerSecond', { atLeast: 1.3 }),
      what: `c64, canned answers: ours / ${proxied}, requests/s`,
    },
  ]),
  beside('axios-opossum', 'requests/s', 'c64', 'requestsPerSecond', { atLeast: 7 }),
  {
    ...beside('http-service', 'requests/s', 'c64', 'requestsPerSecond', { atLeast: 4 }),
    what: 'c64: ours through HttpService / HttpService, requests/s',
    of: lane('ours-http-service'),
  },
  beside('moleculer', 'p50', 'c1', 'p50Us', { atMost: 1 }),
  beside('moleculer', 'requests/s', 'c64', 'requestsPerSecond'),
  {
    ...beside('ours', 'requests/s', 'instances', 'requestsPerSecond', { atLeast: 0.95 }),
    what: 'ours with 100 instances / with 3, requests/s',
    of: lane('ours', 100),
  },
  {
    ...beside('undici', 'requests/s', 'instances', 'requestsPerSecond'),
    what: 'undici with 100 instances / with 3, requests/s',
    of: lane('undici', 100),
  },
  {
    ...beside('ours', 'requests/s', 'services', 'requestsPerSecond', { atLeast: 0.95 }),
    what: 'ours with 10,000 services / with 10, requests/s',
    of: lane('ours', 3, 10_000),
  },
];

export function targetsOf(results: readonly ScenarioResult[]): TargetResult[] {
  return TARGETS.map(({ what, scenario, metric, of, to, bound }) => {
    const result = results.find((one) => one.scenario.name === scenario);
    const [ours, others] = [laneOf(result, of), laneOf(result, to)];
    const measured = ours && others && ratioOf(ours, others, metric);
    return { what, bound: shownBound(bound), measured, reached: measured && bound && isReached(measured, bound) };
  });
}

/** A table of the measured targets, if there are any. */
export function targetReport(targets: readonly TargetResult[]): string[] {
  const rows = targets
    .filter(({ measured }) => measured !== undefined)
    .map(({ what, bound, measured, reached }) => [
      what,
      bound,
      measured ? shownSpread(measured) : '',
      reached === undefined ? '' : reached ? 'yes' : 'no',
    ]);
  if (rows.length === 0) return [];
  return [tableOf(['target, by the median of the rounds', 'wanted', 'measured', 'reached'], rows)];
}

function beside(
  other: Lane['contender'],
  figure: string,
  scenario: string,
  metric: Metric,
  bound?: Target['bound'],
): Target {
  return {
    what: `${scenario}: ours / ${other}, ${figure}`,
    scenario,
    metric,
    of: lane('ours'),
    to: lane(other),
    bound,
  };
}

function shownBound(bound: Target['bound']): string {
  if (!bound) return '';
  return 'atLeast' in bound ? `≥ ${bound.atLeast.toFixed(2)}` : `≤ ${bound.atMost.toFixed(2)}`;
}

function isReached({ median }: Spread, bound: NonNullable<Target['bound']>): boolean {
  return 'atLeast' in bound ? median >= bound.atLeast : median <= bound.atMost;
}
