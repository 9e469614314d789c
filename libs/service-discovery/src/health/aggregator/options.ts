import { OptionValidator } from '../../common/index.js';
import { findServiceNamesProblems } from '../../model/index.js';
import { AGGREGATED_STATUSES, type AggregatedStatus } from './aggregated-health.js';

/** Input of an {@link OverallStatusRule}. */
export interface OverallFindings {
  /** By service name, in no order. */
  readonly statuses: ReadonlyMap<string, AggregatedStatus>;
  /** Required services that are not registered. */
  readonly missing: readonly string[];
  /** The status according to `rule`. */
  readonly usual: AggregatedStatus;
}

/** When several services together count as `healthy`: see {@link AggregatedStatus}. */
export type OverallRule = (typeof OVERALL_RULES)[number];
const OVERALL_RULES = ['every', 'majority'] as const;

/**
 * Computes the overall status by the app's own criteria. Called once per change and requested selection. If it throws
 * or returns an invalid status, the status according to `rule` is used.
 */
export type OverallStatusRule = (findings: OverallFindings) => AggregatedStatus;

/** How the health of all services is aggregated. */
export interface HealthAggregatorOptions {
  /**
   * Names of services that must be available: the overall status is `unhealthy` if one of them is not registered or has
   * no healthy instance.
   * @default none
   */
  required: readonly string[];
  /**
   * Names of services that are not essential: they degrade the overall status at most, even when no service has a
   * healthy instance. A selection that names one is judged by that service's own status.
   * @default none
   */
  optional: readonly string[];
  /**
   * `every`: overall healthy while every service can be called and none has an unhealthy instance. `majority`: while
   * more than half of the services can be called.
   * @default 'every'
   */
  rule: OverallRule;
  /** The app's own rule; receives the result of `rule`. @default none */
  overallStatus?: OverallStatusRule;
  /** How many status changes are kept per instance: an integer from 0 to 1,000. @default 20 */
  history: number;
}

export const DEFAULT_HEALTH_AGGREGATOR_OPTIONS: Readonly<HealthAggregatorOptions> = {
  required: [],
  optional: [],
  rule: 'every',
  history: 20,
};

/** Options without a default. */
export const HEALTH_AGGREGATOR_OPTIONS_WITHOUT_DEFAULT = ['overallStatus'] as const;

/**
 * Applies defaults and validates every option.
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
