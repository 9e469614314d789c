import { isRecord, msOf, OptionValidator, oneOfNames } from '../../common/index.js';
import { type NamedStrategies, resolveLoadBalancing } from '../../balancing/index.js';
import { TIERS } from '../../model/index.js';
import { type CommunicatorOptions, DEFAULT_COMMUNICATOR_OPTIONS } from './communicator-options.js';
import { findContradictions } from './find-contradictions.js';
import { mergeOptions } from './merge-options.js';
import { POLICY_NAMES, resolvePolicy, type ResolvedPolicies } from './policies.js';

export const TIMEOUT_RANGE = { minMs: 1, maxMs: 86_400_000 };
export const WAIT_RANGE = { minMs: 1, maxMs: 60_000 };

const NOT_SHARED =
  'false, since the transport may add headers such as a token, and answers would be shared between users; ' +
  'a Transport of your own that adds none says so with sendsAsGiven: true';

/** Options without a default: the pattern comes from the service's tier. */
const WITHOUT_DEFAULT: readonly string[] = ['pattern'];

/** Context for checking options. */
export interface OptionsContext {
  /** Layers below the options, lowest first. @default only the defaults */
  readonly over?: readonly (CommunicatorOptions | undefined)[];
  /** Names of patterns. @default only the built-in ones */
  readonly patterns?: readonly string[];
  /** Named strategies. @default only the built-in ones */
  readonly strategies?: NamedStrategies;
  /** Whether equal requests get equal answers, see `Transport.sendsAsGiven`. @default true */
  readonly sendsAsGiven?: boolean;
}

/**
 * Validates a user's options, and combinations with the layers below as far as the options change them.
 * @param path prefix of option names in the error
 * @throws InvalidConfigurationError listing all wrong values, unknown names and contradictions
 */
export function validateCommunicatorOptions(
  options: CommunicatorOptions = {},
  path = '',
  { over = [], strategies, patterns = TIERS, sendsAsGiven = true }: OptionsContext = {},
): void {
  const validator = new OptionValidator(path);
  validator.options<CommunicatorOptions>('', options, DEFAULT_COMMUNICATOR_OPTIONS, WITHOUT_DEFAULT);
  // Not an object: nothing more to check.
  if (!isRecord(options)) validator.throwIfAny();
  const merged = mergeOptions(DEFAULT_COMMUNICATOR_OPTIONS, ...over, options);
  const { timeout, attemptTimeout, concurrency, coalescing, waitForFirst, pattern } = options;
  if (options.loadBalancing !== undefined) {
    const at = validator.pathOf('loadBalancing');
    validator.gather(() => resolveLoadBalancing(merged.loadBalancing!, { path: at, strategies }));
  }
  for (const [name, value] of Object.entries({ timeout, attemptTimeout })) {
    if (value !== undefined) validator.duration(name, value, TIMEOUT_RANGE);
  }
  if (concurrency !== undefined && concurrency !== false) {
    validator.number('concurrency', concurrency, { min: 1, max: 1_000_000, integer: true });
  }
  if (waitForFirst !== undefined && waitForFirst !== false) {
    validator.duration('waitForFirst', waitForFirst, WAIT_RANGE);
  }
  if (coalescing !== undefined) validator.boolean('coalescing', coalescing);
  for (const name of ['coalescing', 'lastGood'] as const) {
    if (options[name] && !sendsAsGiven) validator.problem(name, options[name], NOT_SHARED);
  }
  if (pattern !== undefined && !patterns.includes(pattern)) {
    validator.problem('pattern', pattern, oneOfNames(pattern, patterns));
  }
  const policies: { -readonly [Name in keyof ResolvedPolicies]?: ResolvedPolicies[Name] } = {};
  for (const name of POLICY_NAMES) {
    if (options[name] === undefined) continue;
    const resolved = validator.gather(() => resolvePolicy(name, merged[name], validator.pathOf(name)));
    Object.assign(policies, { [name]: resolved });
  }
  findContradictions({ options, policies, retry: merged.retry, ...timesOf(merged) }, validator);
  validator.throwIfAny();
}

/** NaN for an invalid duration: it is already reported, and NaN contradicts nothing. */
function timesOf({ timeout, attemptTimeout }: CommunicatorOptions): { timeoutMs: number; attemptTimeoutMs: number } {
  return { timeoutMs: msOf(timeout), attemptTimeoutMs: msOf(attemptTimeout) };
}
