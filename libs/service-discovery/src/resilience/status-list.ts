import { custom, type Option } from '../common/index.js';
import { type StatusRange } from '../model/index.js';

/** Whether a status is one of the list, or within one of its ranges. */
export function includesStatus(list: readonly StatusRange[], status: number): boolean {
  return list.some((entry) =>
    typeof entry === 'number' ? entry === status : entry[0] <= status && status <= entry[1],
  );
}

export const ERROR_STATUSES_EXPECTED = 'a list of statuses from 400 to 599 and [from, to] ranges of them';

/** An option that takes a list of statuses, each from 400 to 599, and ranges of them. */
export function errorStatuses(spec: {
  readonly default: readonly StatusRange[];
}): Option<readonly StatusRange[], readonly StatusRange[], 'default'> {
  return custom({
    ...spec,
    range: '400–599, ranges',
    read: (value, path, check) => {
      if (isErrorStatusList(value)) return [...value];
      check.problem(path, value, ERROR_STATUSES_EXPECTED);
      return [];
    },
  });
}

export function isErrorStatusList(value: unknown): value is readonly StatusRange[] {
  return Array.isArray(value) && value.every((entry) => isErrorStatus(entry) || isErrorStatusRange(entry));
}

/** Whether it is a status that an answer with an error has. */
export function isErrorStatus(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 400 && (value as number) <= 599;
}

function isErrorStatusRange(value: unknown): boolean {
  if (!Array.isArray(value) || value.length !== 2) return false;
  const [from, to] = value as unknown[];
  return isErrorStatus(from) && isErrorStatus(to) && from <= to;
}
