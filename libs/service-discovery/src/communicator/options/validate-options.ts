import { isRecord, msOf, OptionValidator, oneOfNames } from '../../common/index.js';
import { type NamedStrategies, resolveLoadBalancing } from '../../balancing/index.js';
import { TIERS } from '../../model/index.js';
import { COMMUNICATOR_OPTIONS, type CommunicatorOptions } from './communicator-options.js';
import { findContradictions } from './find-contradictions.js';
import { mergeOptions } from './merge-options.js';

const NOT_SHARED =
  'false, since the transport may add headers such as a token, and answers would be shared between users; ' +
  'a Transport of your own that adds none says so with sendsAsGiven: true';

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
  validator.options<CommunicatorOptions>('', options, {}, COMMUNICATOR_OPTIONS.names);
  // Not an object: nothing more to check.
  if (!isRecord(options)) validator.throwIfAny();
  const merged = mergeOptions(COMMUNICATOR_OPTIONS.defaults, ...over, options);
  const resolved: Record<string, unknown> = {};
  for (const [name, { read }] of Object.entries(COMMUNICATOR_OPTIONS.options)) {
    const option = name as keyof CommunicatorOptions;
    if (options[option] !== undefined) resolved[name] = read(merged[option], name, validator);
  }
  if (options.loadBalancing !== undefined) {
    const at = validator.pathOf('loadBalancing');
    validator.gather(() => resolveLoadBalancing(merged.loadBalancing!, { path: at, strategies }));
  }
  for (const name of ['coalescing', 'lastGood'] as const) {
    if (options[name] && !sendsAsGiven) validator.problem(name, options[name], NOT_SHARED);
  }
  const { pattern } = options;
  if (pattern !== undefined && !patterns.includes(pattern)) {
    validator.problem('pattern', pattern, oneOfNames(pattern, patterns));
  }
  findContradictions({ options, policies: resolved, retry: merged.retry, ...timesOf(merged) }, validator);
  validator.throwIfAny();
}

/** NaN for an invalid duration: it is already reported, and NaN contradicts nothing. */
function timesOf({ timeout, attemptTimeout }: CommunicatorOptions): { timeoutMs: number; attemptTimeoutMs: number } {
  return { timeoutMs: msOf(timeout), attemptTimeoutMs: msOf(attemptTimeout) };
}
