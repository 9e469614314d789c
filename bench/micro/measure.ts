import { GCProfiler } from 'node:v8';
import { median, spreadOf } from '../support/statistics.js';
import { type Measurement, type MicroCase } from './micro-case.js';

export interface MeasureOptions {
  /** Number of turns of each case. */
  readonly rounds: number;
  /** Minimum CPU time of a turn. */
  readonly turnMs: number;
}

/** How long a case runs before it is measured, so that it is fully optimized. */
const WARM_UP_MS = 250;

interface Prepared {
  readonly one: MicroCase;
  readonly steps: number;
  readonly nanoseconds: number[];
}

/** Interleaves cases, so that all of them meet the same disturbances. */
export async function measure(
  cases: readonly MicroCase[],
  { rounds, turnMs }: MeasureOptions,
): Promise<readonly Measurement[]> {
  const prepared: Prepared[] = [];
  for (const one of cases) prepared.push({ one, steps: await stepsFor(one, turnMs), nanoseconds: [] });
  for (let round = 0; round < rounds; round++) {
    for (const { one, steps, nanoseconds } of prepared) nanoseconds.push((await cpuTime(one, steps)) / steps);
  }
  const measured: Measurement[] = [];
  for (const { one, steps, nanoseconds } of prepared) {
    const { what, instances, peer } = one;
    const ours = peer === undefined ? undefined : prepared.find(({ one: other }) => isOursOf(other, one));
    const spread = spreadOf(nanoseconds);
    measured.push({
      what,
      instances,
      peer,
      nanoseconds: spread.median,
      spread: (spread.upper - spread.lower) / 2 / spread.median,
      bytes: await bytesAStep(one, steps),
      timesOurs: ours && medianRatio(nanoseconds, ours.nanoseconds),
    });
  }
  return measured;
}

function isOursOf(other: MicroCase, peers: MicroCase): boolean {
  return other.peer === undefined && other.what === peers.what && other.instances === peers.instances;
}

function medianRatio(values: readonly number[], others: readonly number[]): number {
  return median(values.map((value, index) => value / (others[index] ?? Number.NaN)));
}

/** Steps per turn, determined during the warm-up. */
async function stepsFor(one: MicroCase, turnMs: number): Promise<number> {
  let steps = 1;
  let spentMs = 0;
  for (;;) {
    const ms = (await cpuTime(one, steps)) / 1e6;
    spentMs += ms;
    if (ms >= turnMs && spentMs >= WARM_UP_MS) return steps;
    if (ms < turnMs) steps *= 2;
  }
}

/** Nanoseconds of the process, including its compiler and collector. */
async function cpuTime(one: MicroCase, steps: number): Promise<number> {
  const before = process.cpuUsage();
  await one.run(steps);
  const { user, system } = process.cpuUsage(before);
  return (user + system) * 1_000;
}

/** @param most maximum number of steps: fewer if a collection would occur in between */
async function bytesAStep(one: MicroCase, most: number): Promise<number> {
  for (let steps = most; ; steps = Math.ceil(steps / 2)) {
    globalThis.gc?.();
    const collections = new GCProfiler();
    collections.start();
    const before = process.memoryUsage().heapUsed;
    await one.run(steps);
    const bytes = process.memoryUsage().heapUsed - before;
    const wasCollected = collections.stop().statistics.length > 0;
    // With enough steps, the cost of the measurement is lost in rounding.
    if (!wasCollected) return Math.max(0, Math.round(bytes / steps));
    if (steps === 1) return Number.NaN;
  }
}
