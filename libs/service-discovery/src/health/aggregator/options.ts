import { OptionValidator } from '../../common/index.js';
import { findServiceNamesProblems } from '../../model/index.js';
import { AGGREGATED_STATUSES, type AggregatedStatus } from './aggregated-health.js';

/** What an {@link OverallStatusRule} goes by. */
export interface OverallFindings {
  /** By service name, in no order. */
  readonly statuses: ReadonlyMap<string, AggregatedStatus>;
  /** Services that are counted on and are not registered. */
  readonly missing: readonly string[];
  /** What the status is without the rule. */
  readonly usual: AggregatedStatus;
}

/** When several services together are `healthy`: see {@link AggregatedStatus}. */
export type OverallRule = (typeof OVERALL_RULES)[number];
const OVERALL_RULES = ['every', 'majority'] as const;

/**
 * What several services come to, in the app's own terms. Called once for each change, and for each selection that is asked
 * for; what it throws, or is no status, counts as the usual one.
 */
export type OverallStatusRule = (findings: OverallFindings) => AggregatedStatus;

/** What all services come to. */
export interface HealthAggregatorOptions {
  /**
   * Names of services without which the whole is `unhealthy`: one of them is not registered, or has no healthy instance.
   * @default none
   */
  required: readonly string[];
  /**
   * Names of services that the whole can do without: they make it `degraded` at most, even when no service has a healthy
   * instance. A selection that names one is about that one's own status.
   * @default none
   */
  optional: readonly string[];
  /**
   * `every`: the whole is healthy while every service can be called and none has an unhealthy instance. `majority`: while
   * more than half of the services can be called.
   * @default 'every'
   */
  rule: OverallRule;
  /** A rule of the app's own, which sees what `rule` says. @default none */
  overallStatus?: OverallStatusRule;
  /** How many changes of its status are kept of each instance: a whole number from 0 to 1,000. @default 20 */
  history: number;
}

export const DEFAULT_HEALTH_AGGREGATOR_OPTIONS: Readonly<HealthAggregatorOptions> = {
  required: [],
  optional: [],
  rule: 'every',
  history: 20,
};

/** What may be given, and has no default. */
export const HEALTH_AGGREGATOR_OPTIONS_WITHOUT_DEFAULT = ['overallStatus'] as const;

/**
 * Fills in the defaults and checks every option.
 * @param path where the options stand, for the error: `health.required`
 * @throws InvalidConfigurationError naming every wrong option
 */
export function resolveHealthAggregatorOptions(
  options?: Partial<HealthAggregatorOptions>,
  path = 'health',
): HealthAggregatorOptions {
  const check = new OptionValidator(path);
  const given = check.options(
    '',
    options,
    DEFAULT_HEALTH_AGGREGATOR_OPTIONS,
    HEALTH_AGGREGATOR_OPTIONS_WITHOUT_DEFAULT,
  );
  const required = resolveNames(check, 'required', given.required);
  const optional = resolveNames(check, 'optional', given.optional);
  const both = optional.find((name) => required.includes(name));
  if (both !== undefined) check.problem('optional', both, 'none of the services that are required');
  const rule = check.oneOf('rule', given.rule, OVERALL_RULES);
  check.optionalFunction('overallStatus', given.overallStatus);
  const history = check.number('history', given.history, { min: 0, max: 1_000, integer: true });
  check.throwIfAny();
  return { required, optional, rule, overallStatus: given.overallStatus, history };
}

export function isAggregatedStatus(value: unknown): value is AggregatedStatus {
  return (AGGREGATED_STATUSES as readonly unknown[]).includes(value);
}

function resolveNames(check: OptionValidator, path: 'required' | 'optional', given: unknown): readonly string[] {
  const problems = findServiceNamesProblems(given, path);
  for (const { path: at, value, expected } of problems) check.problem(at, value, expected);
  return problems.length === 0 ? [...new Set(given as string[])] : [];
}
