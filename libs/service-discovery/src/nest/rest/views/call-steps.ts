import { type CallEdge, STEP_MS } from '../../../observability/index.js';

/** More make an answer of many MB, which each open page of the dashboard asks for every few seconds. */
const MAX_POINTS = 30_000;
/** In steps of the call figures: 10 s to 5 minutes. */
const LENGTHS = [1, 3, 6, 12, 18, 30] as const;

type Point = CallEdge['points'][number];
type Sum = { -readonly [Name in keyof Point]: Point[Name] };

/**
 * Joins steps of 10 s to ones so long that all edges together have 30,000 points at most, where they can. Counts are added up;
 * percentiles are the highest of the steps that were joined.
 * @param end when the last step ended, in milliseconds since the Unix epoch; so do the longer ones
 */
export function joinSteps(edges: readonly CallEdge[], end: number): { stepMs: number; edges: readonly CallEdge[] } {
  const points = edges.reduce((sum, edge) => sum + edge.points.length, 0);
  const length = LENGTHS.find((steps) => points <= MAX_POINTS * steps) ?? 30;
  const stepMs = length * STEP_MS;
  if (length === 1) return { stepMs, edges };
  return { stepMs, edges: edges.map((edge) => ({ ...edge, points: join(edge.points, stepMs, end) })) };
}

function join(points: readonly Point[], stepMs: number, end: number): Point[] {
  const joined: Sum[] = [];
  let sum: Sum | undefined;
  for (const point of points) {
    const at = end - Math.ceil((end - point.at) / stepMs) * stepMs;
    if (sum?.at === at) addTo(sum, point);
    else joined.push((sum = { ...point, at }));
  }
  return joined;
}

function addTo(sum: Sum, point: Point): void {
  sum.calls += point.calls;
  sum.errors += point.errors;
  sum.retries += point.retries;
  sum.hedges += point.hedges;
  sum.shed += point.shed;
  // As it is at the end of a step.
  sum.queued = point.queued;
  sum.p50 = highest(sum.p50, point.p50);
  sum.p95 = highest(sum.p95, point.p95);
  sum.p99 = highest(sum.p99, point.p99);
}

function highest(one: number | null, other: number | null): number | null {
  return one === null || other === null ? (one ?? other) : Math.max(one, other);
}
