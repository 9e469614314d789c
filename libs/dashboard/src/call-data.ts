import { type Calls, type CallPoint, type CallSeries } from './model.js';

/** What plots show, by time; latencies are the highest of any caller. */
export interface CallPlots {
  readonly times: readonly number[];
  /** A second; null throughout where there were none. */
  readonly rates: readonly (number | null)[];
  readonly errorRates: readonly (number | null)[];
  readonly retries: readonly (number | null)[];
  readonly hedges: readonly (number | null)[];
  readonly shed: readonly (number | null)[];
  readonly p50: readonly (number | null)[];
  readonly p95: readonly (number | null)[];
  readonly p99: readonly (number | null)[];
}

const COUNTS = ['calls', 'errors', 'retries', 'hedges', 'shed'] as const;
const LATENCIES = ['p50_ms', 'p95_ms', 'p99_ms'] as const;

type Sums = Record<(typeof COUNTS)[number], number> & Record<(typeof LATENCIES)[number], number | null>;

/** A process that has just started has little to show: plots begin a little before it. */
const LEAD_STEPS = 3;
const LEAST_SECONDS = 300;

/** Adds up the series of several callers and services. Times without a point had no call. */
export function toPlots({ step_seconds: step, from }: Calls, edges: readonly CallSeries[]): CallPlots {
  const byTime = new Map<number, Sums>();
  let [earliest, last] = [Infinity, 0];
  for (const { points } of edges) {
    for (const point of points) {
      const time = Math.floor(Date.parse(point.at) / 1_000 / step) * step;
      earliest = Math.min(earliest, time);
      last = Math.max(last, time);
      add(byTime, time, point);
    }
  }
  const window = Math.ceil(Date.parse(from) / 1_000 / step) * step;
  const first = Math.max(window, Math.min(earliest - LEAD_STEPS * step, last - LEAST_SECONDS));
  const times: number[] = [];
  for (let time = first; time <= last; time += step) times.push(time);
  const sums = times.map((time) => byTime.get(time));
  const rateOf = (name: (typeof COUNTS)[number]): (number | null)[] => {
    const rates = sums.map((sum) => (sum?.[name] ?? 0) / step);
    // A line at zero would hide the axis.
    return name === 'calls' || rates.some((rate) => rate > 0) ? rates : rates.map(() => null);
  };
  const latencyOf = (name: (typeof LATENCIES)[number]): (number | null)[] => sums.map((sum) => sum?.[name] ?? null);
  return {
    times,
    rates: rateOf('calls'),
    errorRates: rateOf('errors'),
    retries: rateOf('retries'),
    hedges: rateOf('hedges'),
    shed: rateOf('shed'),
    p50: latencyOf('p50_ms'),
    p95: latencyOf('p95_ms'),
    p99: latencyOf('p99_ms'),
  };
}

function add(byTime: Map<number, Sums>, time: number, point: CallPoint): void {
  let sums = byTime.get(time);
  if (!sums) {
    sums = { calls: 0, errors: 0, retries: 0, hedges: 0, shed: 0, p50_ms: null, p95_ms: null, p99_ms: null };
    byTime.set(time, sums);
  }
  for (const name of COUNTS) sums[name] += point[name];
  for (const name of LATENCIES) {
    const value = point[name];
    if (value !== null) sums[name] = Math.max(sums[name] ?? 0, value);
  }
}

/** The sum of a count over the whole window. */
export function total(edges: readonly CallSeries[], name: (typeof COUNTS)[number]): number {
  return edges.reduce((sum, { points }) => sum + points.reduce((own, point) => own + point[name], 0), 0);
}
