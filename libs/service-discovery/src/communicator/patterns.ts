import { assertOptions, isRecord, OptionValidator } from '../common/index.js';
import { type BuiltInTier, isLabel, LABEL_RULE, type Tier, TIERS } from '../model/index.js';
import {
  COMMUNICATOR_OPTIONS,
  type CommunicatorOptions,
  mergeOptions,
  type OptionsContext,
  validateCommunicatorOptions,
} from './options/index.js';

/** A named set of call settings for one kind of service. */
export interface CommunicationPattern extends Required<
  Pick<CommunicatorOptions, 'loadBalancing' | 'timeout' | 'attemptTimeout' | 'retry' | 'circuitBreaker' | 'concurrency'>
> {
  /** One sentence on the pattern's purpose. */
  readonly description: string;
}

/**
 * The patterns by tier. A service that declares a tier is called with that tier's pattern; `withOptions` overrides
 * single values. The reasons behind the values:
 * - `web` faces people: a quick error beats a late page, so few attempts, short waits, an early breaker.
 * - `app` sits between the edge and the data; its calls fan out, so retries are modest.
 * - `data` answers fast or is in trouble; retries make that worse, so its breaker waits longer before probing, and
 *   concurrency is bounded.
 * - `ml` is slow, so even load matters most: least connections, long timeouts, low concurrency.
 * - `monitoring` must not disturb what it watches: one attempt, short timeouts, an eager breaker.
 */
export const COMMUNICATION_PATTERNS: Readonly<Record<BuiltInTier, CommunicationPattern>> = {
  web: {
    description: 'Faces people: a quick error beats a late answer.',
    loadBalancing: 'p2c_ewma',
    timeout: '5s',
    attemptTimeout: '2s',
    retry: { maxAttempts: 2, baseDelay: '50ms', maxDelay: '500ms' },
    circuitBreaker: { failureThreshold: 5, recoveryTimeout: '10s' },
    concurrency: 256,
  },
  app: {
    description: 'Works between the edge and the data; calls fan out from here.',
    loadBalancing: 'p2c_ewma',
    timeout: '15s',
    attemptTimeout: '5s',
    retry: { maxAttempts: 3, baseDelay: '100ms', maxDelay: '2s' },
    circuitBreaker: { failureThreshold: 5, recoveryTimeout: '30s' },
    concurrency: 256,
  },
  data: {
    description: 'Answers fast or is in trouble; pressure makes trouble worse.',
    loadBalancing: 'least_connections',
    timeout: '10s',
    attemptTimeout: '3s',
    retry: { maxAttempts: 2, baseDelay: '200ms', maxDelay: '2s' },
    circuitBreaker: { failureThreshold: 3, recoveryTimeout: '30s' },
    concurrency: 64,
  },
  ml: {
    description: 'Slow, costly answers: the least busy instance, few at once.',
    loadBalancing: 'least_connections',
    timeout: '120s',
    attemptTimeout: '60s',
    retry: { maxAttempts: 2, baseDelay: '1s', maxDelay: '10s' },
    circuitBreaker: { failureThreshold: 3, recoveryTimeout: '60s' },
    concurrency: 8,
  },
  monitoring: {
    description: 'Must not disturb what it watches: one attempt, no waiting.',
    loadBalancing: 'round_robin',
    timeout: '5s',
    attemptTimeout: '5s',
    retry: { maxAttempts: 1 },
    circuitBreaker: { failureThreshold: 3, recoveryTimeout: '60s' },
    concurrency: 16,
  },
};

/** Settings of one pattern. */
export type PatternOptions = Omit<CommunicatorOptions, 'pattern'>;

/** Changes to the built-in patterns, value by value, and custom patterns. */
export type PatternOverrides = Readonly<Partial<Record<Tier, PatternOptions>>>;

/** The patterns in effect, by name. A Map, since names also come from registrations. */
export type Patterns = ReadonlyMap<string, PatternOptions>;

export function patternNames(overrides: PatternOverrides | undefined): readonly string[] {
  return [...new Set([...TIERS, ...(isRecord(overrides) ? Object.keys(overrides) : [])])];
}

/**
 * The built-in patterns with a user's changes, plus custom patterns, which set only what they name.
 * @param defaults what they are merged over
 * @param context for validation
 * @throws InvalidConfigurationError listing every wrong value
 */
export function resolvePatterns(
  overrides: PatternOverrides = {},
  defaults: CommunicatorOptions = {},
  context: Pick<OptionsContext, 'strategies' | 'sendsAsGiven'> = {},
): Patterns {
  assertOptions('patterns', overrides, `an object of options by tier: ${TIERS.join(', ')}, or a name of your own`);
  const check = new OptionValidator();
  const patterns = new Map<string, PatternOptions>(Object.entries(COMMUNICATION_PATTERNS));
  for (const [name, changes] of Object.entries(overrides)) {
    const pattern = patterns.get(name);
    const path = `patterns.${name}`;
    if (!isLabel(name)) check.problem(path, name, `a name: ${LABEL_RULE}`);
    check.gather(() => validateCommunicatorOptions(changes, path, { ...context, over: [defaults, pattern] }));
    patterns.set(name, mergeOptions(pattern, changes));
  }
  check.throwIfAny();
  return patterns;
}

/** Patterns merged over the defaults, with all fields. */
export function describePatterns(
  patterns: Patterns,
  defaults: CommunicatorOptions,
): Readonly<Record<Tier, CommunicationPattern>> {
  const { loadBalancing, timeout, attemptTimeout, retry, circuitBreaker, concurrency } = mergeOptions(
    COMMUNICATOR_OPTIONS.defaults,
    defaults,
  ) as Omit<CommunicationPattern, 'description'>;
  const base = { loadBalancing, timeout, attemptTimeout, retry, circuitBreaker, concurrency };
  const described = [...patterns].map(([name, pattern]) => [
    name,
    { description: 'A pattern of this app.', ...mergeOptions(base, pattern) },
  ]);
  return Object.fromEntries(described) as Readonly<Record<Tier, CommunicationPattern>>;
}
