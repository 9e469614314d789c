import { OptionValidator } from '../../common/index.js';
import { resolveLoadBalancing } from '../../balancing/index.js';
import { TIERS } from '../../model/index.js';
import { type CommunicatorOptions, DEFAULT_COMMUNICATOR_OPTIONS } from './communicator-options.js';
import { POLICY_NAMES, resolvePolicy } from './policies.js';

export const TIMEOUT_RANGE = { minMs: 1, maxMs: 86_400_000 };

/** What the defaults have no value for: the tier is the service's own. */
const WITHOUT_DEFAULT: readonly string[] = ['pattern'];

/**
 * Checks options as a user gave them.
 * @param path prefix of the option's names in the error
 * @throws InvalidConfigurationError that lists everything wrong: values, names that are no options, contradictions
 */
export function validateCommunicatorOptions(options: CommunicatorOptions, path = ''): void {
  const validator = new OptionValidator(path);
  validator.options<CommunicatorOptions>('', options, DEFAULT_COMMUNICATOR_OPTIONS, WITHOUT_DEFAULT);
  const { loadBalancing, timeout, attemptTimeout, concurrency, coalescing, pattern } = options;
  if (loadBalancing !== undefined) {
    validator.gather(() => resolveLoadBalancing(loadBalancing, { path: validator.pathOf('loadBalancing') }));
  }
  const timeoutMs = timeout === undefined ? undefined : validator.duration('timeout', timeout, TIMEOUT_RANGE);
  const attemptMs =
    attemptTimeout === undefined ? undefined : validator.duration('attemptTimeout', attemptTimeout, TIMEOUT_RANGE);
  if (timeoutMs !== undefined && attemptMs !== undefined && attemptMs > timeoutMs) {
    validator.problem('attemptTimeout', attemptTimeout, `at most the timeout of the whole call (${String(timeout)})`);
  }
  if (concurrency !== undefined && concurrency !== false) {
    validator.number('concurrency', concurrency, { min: 1, max: 1_000_000, integer: true });
  }
  if (coalescing !== undefined) validator.boolean('coalescing', coalescing);
  if (pattern !== undefined) validator.oneOf('pattern', pattern, TIERS);
  for (const name of POLICY_NAMES) validator.gather(() => resolvePolicy(name, options[name], validator.pathOf(name)));
  validator.throwIfAny();
}
