import { shown, tableOf } from '../support/table.js';
import { type Measurement } from './micro-case.js';

/** A row for each thing that is done and whoever does it, with columns for each number of instances. */
export function tableOfMeasurements(subject: string, measurements: readonly Measurement[]): string {
  const counts = [...new Set(measurements.map(({ instances }) => instances))];
  const head = [subject, ...counts.flatMap((count) => [count === undefined ? '' : shown(count), '±', 'bytes'])];
  const rows = new Map<string, string[]>();
  for (const one of measurements) {
    const name = one.peer === undefined ? one.what : `  ${one.peer}`;
    const key = `${one.what} ${one.peer}`;
    const row = rows.get(key) ?? [name];
    const at = 1 + 3 * counts.indexOf(one.instances);
    const times = one.timesOurs === undefined ? '' : ` (x${one.timesOurs.toFixed(2)})`;
    row[at] = duration(one.nanoseconds) + times;
    row[at + 1] = `${Math.round(one.spread * 100)}%`;
    row[at + 2] = shown(one.bytes);
    rows.set(key, row);
  }
  return tableOf(
    head,
    [...rows.values()].map((row) => Array.from(head, (_, index) => row[index] ?? '')),
  );
}

function duration(nanoseconds: number): string {
  if (nanoseconds < 10_000) return `${shown(nanoseconds)} ns`;
  if (nanoseconds < 1e6) return `${shown(nanoseconds / 1_000)} µs`;
  return `${shown(nanoseconds / 1e6)} ms`;
}
