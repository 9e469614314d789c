import { grouped, shown, tableOf } from '../support/table.js';
import { type Holding, type Measurement, type SubjectResult } from './micro-case.js';

export function tablesOf(subject: string, { measurements, holdings }: SubjectResult): string {
  return [
    ...(measurements.length > 0 ? [tableOfMeasurements(subject, measurements)] : []),
    ...(holdings.length > 0 ? [tableOfHoldings(subject, holdings)] : []),
  ].join('\n\n');
}

function tableOfHoldings(subject: string, holdings: readonly Holding[]): string {
  return tableOf(
    [subject, 'of', 'MB', 'bytes each'],
    holdings.map(({ what, count, bytes }) => [what, grouped(count), (bytes / 1e6).toFixed(1), shown(bytes / count)]),
  );
}

/** A row per step and library, with columns for each number of instances. */
function tableOfMeasurements(subject: string, measurements: readonly Measurement[]): string {
  const counts = [...new Set(measurements.map(({ instances }) => instances))];
  const head = [subject, ...counts.flatMap((count) => [count === undefined ? '' : grouped(count), '±', 'bytes'])];
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
