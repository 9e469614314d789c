import { type Spread } from './statistics.js';

/** A measurement next to the bare machine's in the same run. */
export interface Measured {
  readonly what: string;
  readonly ours: number;
  readonly floor: number;
  readonly unit: string;
  /** Whether more is better, as for a rate; else less is, as for a time. */
  readonly isRate: boolean;
}

/** Ratio to the floor: 1 is as good, above is better. */
export function ratioOf({ ours, floor, isRate }: Measured): number {
  return isRate ? ours / floor : floor / ours;
}

/** Measurements as the rows of a table. */
export function rowsOf(measured: readonly Measured[]): string[][] {
  return measured.map((one) => [
    one.what,
    `${shown(one.ours)} ${one.unit}`,
    `${shown(one.floor)} ${one.unit}`,
    ratioOf(one).toFixed(2),
  ]);
}

/** Aligned columns: the first to the left, the others to the right. */
export function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    widths
      .map((width, column) => (column === 0 ? (row[column] ?? '').padEnd(width) : (row[column] ?? '').padStart(width)))
      .join('  ');
  return [line(head), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.map(line)].join('\n');
}

/** Large numbers with separators, small ones with two decimals. */
export function shown(value: number): string {
  return value >= 100 ? grouped(Math.round(value)) : value.toFixed(2);
}

/** `0.93 (0.91–0.95)`: the median, and the middle half of the rounds. */
export function shownSpread({ median, lower, upper }: Spread): string {
  return `${median.toFixed(2)} (${lower.toFixed(2)}–${upper.toFixed(2)})`;
}

/** An integer with separators. */
export function grouped(count: number): string {
  return count.toLocaleString('en-US');
}

/** @param share 0.99 for the 99th percentile */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
