import { isRange } from '../balancing/index.js';
import {
  count,
  custom,
  duration,
  type GivenOptionsOf,
  InvalidConfigurationError,
  invalidRequest,
  number,
  optional,
  OptionGroup,
  type OptionValidator,
  required,
  type ResolvedOf,
} from '../common/index.js';
import { MAX_STEPS } from '../model/index.js';

/** The steps and limits of a rollout. */
export const ROLLOUT_OPTIONS = new OptionGroup('rollout', {
  /** The semver range of the new version, such as `2.x`: all instances whose version is in it are new. */
  version: required<string>({ range: 'a semver range', read: readVersion }),
  /**
   * The share of the calls that the new version gets at each step: up to 20 numbers above 0, in per cent, each greater than
   * the one before, the last one 100.
   * @default [5, 25, 100]
   */
  steps: custom<readonly number[]>({ default: [5, 25, 100], range: 'shares in per cent up to 100', read: readSteps }),
  /** The minimum duration of a step: 1 s to 7 days. @default '5m' */
  stepDuration: duration({ default: '5m', minMs: 1_000, maxMs: 7 * 86_400_000 }),
  /** The share of failed attempts at the new version above which it is rolled back: 0 to 1. @default 0.05 */
  maxErrorRate: number({ default: 0.05, min: 0, max: 1 }),
  /** The p99 of attempts at the new version above which it is rolled back: 1 ms to 10 minutes. @default none */
  maxP99: optional(duration({ minMs: 1, maxMs: 600_000 })),
  /** The attempts at the new version required to end a step; with fewer, it continues: 1 to 1,000,000. @default 20 */
  minAttempts: count({ default: 20, min: 1, max: 1_000_000 }),
});

export interface RolloutOptions extends GivenOptionsOf<typeof ROLLOUT_OPTIONS> {}

/** @throws ServiceDiscoveryError `INVALID_REQUEST` naming every wrong option */
export function readRollout(options: RolloutOptions): ResolvedOf<typeof ROLLOUT_OPTIONS> {
  try {
    return ROLLOUT_OPTIONS.resolve(options, '');
  } catch (error) {
    throw error instanceof InvalidConfigurationError ? invalidRequest(error.problems) : error;
  }
}

function readVersion(value: unknown, path: string, check: OptionValidator): string {
  const isOne = typeof value === 'string' && value !== '' && value.length <= 128 && isRange(value);
  if (!isOne) check.problem(path, value, 'a semver range, such as "2.x"');
  return value as string;
}

function readSteps(value: unknown, path: string, check: OptionValidator): readonly number[] {
  const steps: readonly unknown[] = Array.isArray(value) ? value : [];
  const areGrowing = steps.every(
    (share, index) => typeof share === 'number' && share > (index === 0 ? 0 : (steps[index - 1] as number)),
  );
  if (!areGrowing || steps.at(-1) !== 100 || steps.length > MAX_STEPS) {
    check.problem(path, value, `up to ${MAX_STEPS} growing shares in per cent, of which the last is 100: [5, 25, 100]`);
  }
  return value as readonly number[];
}
