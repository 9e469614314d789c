import { count, custom, oneOf, OptionGroup, optional, type OptionsOf } from '../../common/index.js';
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

const serviceNames = custom<readonly string[]>({
  default: [],
  range: 'names of services',
  read: (given, path, check) => {
    const problems = findServiceNamesProblems(given, path);
    for (const { path: at, value, expected } of problems) check.problem(at, value, expected);
    return problems.length === 0 ? [...new Set(given as string[])] : [];
  },
});

const overallStatusRule = custom<OverallStatusRule>({
  range: 'a function',
  read: (given, path, check) => {
    check.optionalFunction(path, given);
    return given as OverallStatusRule;
  },
});

/** How the health of all services is aggregated. */
export const HEALTH_AGGREGATOR_OPTIONS = new OptionGroup(
  'health',
  {
    /**
     * Names of services that must be available: the overall status is `unhealthy` if one of them is not registered or has
     * no healthy instance.
     * @default none
     */
    required: serviceNames,
    /**
     * Names of services that are not essential: they degrade the overall status at most, even when no service has a
     * healthy instance. A selection that names one is judged by that service's own status.
     * @default none
     */
    optional: serviceNames,
    /**
     * `every`: overall healthy while every service can be called and none has an unhealthy instance. `majority`: while
     * more than half of the services can be called.
     * @default 'every'
     */
    rule: oneOf(OVERALL_RULES, { default: 'every' }),
    /** The app's own rule; receives the result of `rule`. @default none */
    overallStatus: optional(overallStatusRule),
    /** How many status changes are kept per instance: an integer from 0 to 1,000. @default 20 */
    history: count({ default: 20, min: 0, max: 1_000 }),
  },
  ({ required, optional }, _, check) => {
    const both = optional.find((name) => required.includes(name));
    if (both !== undefined) check.problem('optional', both, 'none of the services that are required');
  },
);

export interface HealthAggregatorOptions extends OptionsOf<typeof HEALTH_AGGREGATOR_OPTIONS> {}

export function isAggregatedStatus(value: unknown): value is AggregatedStatus {
  return (AGGREGATED_STATUSES as readonly unknown[]).includes(value);
}
