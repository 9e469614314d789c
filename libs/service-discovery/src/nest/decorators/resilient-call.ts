import {
  assertOptions,
  callKeyOf,
  InvalidConfigurationError,
  OptionValidator,
  type Problem,
} from '../../common/index.js';
import { type Tier } from '../../model/index.js';
import { classifyError, type ErrorClassifier, type ResiliencePolicyOptions } from '../../resilience/index.js';
import { currentSignal, withSignal } from './current-signal.js';
import { methodPolicy, NO_DEFAULTS } from './method-policy.js';
import { mimic } from './mimic.js';
import { onInjected } from './on-injected.js';
import {
  adopt,
  declareResilient,
  policiesOf,
  ResiliencePolicies,
  type ResilientMethod,
} from './resilience-policies.js';

/** Policy options of a method decorated with `@ResilientCall()`. */
export interface ResilientCallOptions extends Omit<ResiliencePolicyOptions, 'circuitBreaker' | 'fallback'> {
  /** The service that the method calls, for events, logs and metrics. @default `<Class>.<method>` */
  service?: string;
  /**
   * The pattern, of a tier or of the module's `patterns`, whose settings apply under all other options given here,
   * including its retries: set `retry: false` if the method must not run twice.
   * @default the module's `pattern`, without its retries
   */
  pattern?: Tier;
  /**
   * Refuses calls after too many failures; false: never. @default the module's, or {} (5 consecutive failures open it
   * for 60 s)
   */
  circuitBreaker?: ResiliencePolicyOptions['circuitBreaker'];
  /**
   * Produces the result when the call has finally failed: the name of a method of the same class, which receives the
   * call's arguments and then the error; or a function, which receives the error and then the arguments. Not called for
   * errors that are valid answers (`NotFoundException` and other 4xx), nor when the caller aborted.
   */
  fallback?: string | ResilientFallback;
  /**
   * Key that distinguishes calls with different results; required by `coalescing` and `lastGood`. Receives the
   * arguments of the call, and must include everything that the result depends on, above all the user. With an
   * undefined key, the call is neither shared nor kept.
   */
  key?: (...args: never[]) => string | undefined;
}

/** Answers in place of a method that failed, with the method's own arguments. @see ResilientCallOptions.fallback */
export type ResilientFallback = (error: unknown, ...args: never[]) => unknown;

/** A method that can be decorated with `@ResilientCall()`. */
export type AsyncMethod = (...args: never[]) => Promise<unknown>;

type Callable = (...args: unknown[]) => unknown;

const POLICIES = Symbol('nest-service-discovery:policies');

/**
 * Wraps an async method of a provider or controller, including route handlers, in a policy; the order of decorators
 * does not matter. The policy, including its breaker, is shared by all instances of the class in the app.
 *
 * Options left out come from the module's options, environment and preset: timeouts, breaker, limits. Retries, hedging
 * and sharing must be enabled here, since only the author knows whether a method may run twice. `retry: {}` then uses
 * the module's values.
 *
 * @example
 * ```ts
 * @ResilientCall({ timeout: '2s', retry: { maxAttempts: 2 }, fallback: 'cachedPrice' })
 * async price(sku: string): Promise<number> { … }
 * ```
 * @throws InvalidConfigurationError at class definition, naming every wrong option
 */
export function ResilientCall(options: ResilientCallOptions = {}) {
  return <T extends AsyncMethod>(
    target: object,
    key: string | symbol,
    descriptor: TypedPropertyDescriptor<T>,
  ): void => {
    const owner = typeof target === 'function' ? target : target.constructor;
    const label = `${owner.name}.${String(key)}`;
    const original = checkMethod(descriptor.value, label);
    assertOptions(`@ResilientCall ${label}`, options);
    const method = toMethod(options, target, label);
    const { fallback, key: keyOf, classify } = options;

    async function resilient(this: unknown, ...args: unknown[]): Promise<unknown> {
      const policy = policiesOf(this).of(classOf(this) ?? owner, method);
      const attempt = (signal: AbortSignal): Promise<unknown> =>
        withSignal(signal, async () => Reflect.apply(original, this, args));
      const answer = fallback === undefined ? undefined : toFallback(fallback, this, args, classify);
      const callKey = keyOf && callKeyOf(Reflect.apply(keyOf, this, args), `The key of ${label}`);
      return policy.execute(attempt, currentSignal(), answer, callKey);
    }
    mimic(resilient, original);
    descriptor.value = resilient as unknown as T;
    // Nest does not instantiate classes for static methods, so they belong to no app.
    if (typeof target === 'function') return;
    declareResilient(target, method);
    onInjected(target, POLICIES, ResiliencePolicies, adopt);
  };
}

function checkMethod(value: unknown, label: string): Callable {
  if (typeof value === 'function') return value as Callable;
  throw new InvalidConfigurationError([{ path: `@ResilientCall ${label}`, value, expected: 'to stand on a method' }]);
}

/**
 * Checked here rather than at the first call, so that a wrong option stops the start. Checks that depend on the
 * module's patterns and settings run when an app instantiates the class.
 */
function toMethod(options: ResilientCallOptions, target: object, label: string): ResilientMethod {
  const { service = label, fallback, key, ...policy } = options;
  const problems: Problem[] = [];
  const { pattern, ...own } = policy;
  if (pattern !== undefined && typeof pattern !== 'string') {
    problems.push({ path: 'pattern', value: pattern, expected: 'the name of a pattern' });
  }
  const answers = typeof fallback === 'string' ? (target as Record<string, unknown>)[fallback] : fallback;
  if (fallback !== undefined && typeof answers !== 'function') {
    problems.push({ path: 'fallback', value: fallback, expected: 'the name of a method of the class, or a function' });
  }
  const sharing = policy.coalescing ? 'coalescing' : policy.lastGood && 'lastGood';
  if (key === undefined ? sharing : typeof key !== 'function') {
    const purpose = sharing ? `, which ${sharing} goes by` : '';
    problems.push({ path: 'key', value: key, expected: `a function that makes a text of the arguments${purpose}` });
  }
  const check = new OptionValidator();
  const isBuiltIn = pattern !== undefined && NO_DEFAULTS.patterns.has(pattern);
  check.gather(() => methodPolicy(isBuiltIn ? policy : own, NO_DEFAULTS));
  throwNamed(label, [...problems, ...check.problems]);
  return {
    name: service,
    policyIn: (settings) => {
      const inApp = new OptionValidator();
      const made = inApp.gather(() => methodPolicy(policy, settings));
      throwNamed(label, inApp.problems);
      return made!;
    },
  };
}

function throwNamed(label: string, problems: readonly Problem[]): void {
  if (problems.length === 0) return;
  throw new InvalidConfigurationError(
    problems.map((problem) => ({ ...problem, path: `@ResilientCall ${label}: ${problem.path}` })),
  );
}

function toFallback(
  fallback: string | ResilientFallback,
  instance: unknown,
  args: unknown[],
  classify: ErrorClassifier = classifyError,
): (error: unknown) => unknown {
  return (error) => {
    if (classify(error) === 'success') throw error;
    if (typeof fallback === 'function') return Reflect.apply(fallback as Callable, instance, [error, ...args]);
    return Reflect.apply((instance as Record<string, Callable>)[fallback]!, instance, [...args, error]);
  };
}

function classOf(instance: unknown): object | undefined {
  return typeof instance === 'object' && instance !== null ? instance.constructor : undefined;
}
