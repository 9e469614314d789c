import { type OptionValidator } from '../../common/index.js';
import { type StatusRange } from './spec.js';

const LIST_LIMIT = 64;

export function readStatuses(check: OptionValidator, path: string, given: unknown): StatusRange[] {
  if (!Array.isArray(given) || given.length === 0 || given.length > LIST_LIMIT) {
    check.problem(path, given, `a list of 1 to ${LIST_LIMIT} status codes and [from, to] ranges`);
    return [];
  }
  (given as unknown[]).forEach((entry, index) => {
    const [from, to, ...rest] = Array.isArray(entry) ? (entry as unknown[]) : [entry, entry];
    if (isStatus(from) && isStatus(to) && from <= to && rest.length === 0) return;
    check.problem(`${path}[${index}]`, entry, 'a status from 200 to 599, or a range [from, to] of them');
  });
  return given as StatusRange[];
}

/** Converts all entries to ranges. */
export function toRanges(statuses: readonly StatusRange[]): (readonly [from: number, to: number])[] {
  return statuses.map((entry) => (typeof entry === 'number' ? [entry, entry] : entry));
}

/** Whether the two lists have a status in common. */
export function overlap(some: readonly StatusRange[], others: readonly StatusRange[]): boolean {
  return toRanges(some).some(([from, to]) => toRanges(others).some(([first, last]) => from <= last && first <= to));
}

function isStatus(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 200 && (value as number) <= 599;
}
