import { type DurationRange, msOf, type OptionValidator, snakeCase } from '../../common/index.js';

export type HealthCheckRange = Required<Pick<DurationRange, 'minMs' | 'maxMs'>>;

/** Spelling of health check fields in a source or target. */
export interface HealthCheckForm {
  nameOf: (field: string) => string;
  /** The milliseconds of a duration; NaN, and a problem, if it is not a duration within the range. */
  readDuration(check: OptionValidator, path: string, value: unknown, range: HealthCheckRange): number;
  writeDuration(ms: number): number;
}

/** In TypeScript: `downInterval: '5s'`. */
export const CODE_FORM: HealthCheckForm = {
  nameOf: (field) => field,
  readDuration: (check, path, value, range) => check.duration(path, value, range),
  writeDuration: (ms) => ms,
};

/** As stored in a registry, in milliseconds: `downInterval: 5000`. */
export const KEPT_FORM: HealthCheckForm = {
  ...CODE_FORM,
  readDuration: (check, path, value, range) => check.duration(path, value, { ...range, usuallyMs: true }),
};

/** In the REST API: `down_interval: 5`. */
export const WIRE_FORM: HealthCheckForm = {
  nameOf: snakeCase,
  readDuration: (check, path, value, { minMs, maxMs }) => {
    const ms = typeof value === 'number' ? msOf(value * 1_000) : Number.NaN;
    if (ms >= minMs && ms <= maxMs) return ms;
    check.problem(path, value, `a number of seconds from ${minMs / 1_000} to ${maxMs / 1_000}`);
    return Number.NaN;
  },
  writeDuration: (ms) => ms / 1_000,
};
