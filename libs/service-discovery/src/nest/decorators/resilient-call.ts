import {
  assertOptions,
  callKeyOf,
  InvalidConfigurationError,
  type Problem,
  withoutUndefined,
} from '../../common/index.js';
import { COMMUNICATION_PATTERNS } from '../../communicator/index.js';
import { type Tier, TIERS } from '../../model/index.js';
import { classifyError, resolveResiliencePolicyOptions, type ResiliencePolicyOptions } from '../../resilience/index.js';
import { givingWay } from '../giving-way.js';
import { currentSignal, withSignal } from './current-signal.js';
import { mimic } from './mimic.js';
import { onInjected } from './on-injected.js';
import { adopt, policiesOf, ResiliencePolicies, type ResilientMethod } from './resilience-policies.js';

/** What stands around a method that is decorated with `@ResilientCall()`. */
export interface ResilientCallOptions extends Omit<ResiliencePolicyOptions, 'fallback'> {
  /** The service that the method calls, for events, logs and metrics. @default `<Class>.<method>` */
  service?: string;
  /** The timeouts, retry, breaker and concurrency of a tier, under everything else that is given here. */
  pattern?: Tier;
  /** Refuses calls after too many failures; false: never. @default {} (5 failures in a row open it for 60 s) */
  circuitBreaker?: ResiliencePolicyOptions['circuitBreaker'];
  /**
   * What answers when the call has failed for good: the name of a method of the same class, which gets the call's
   * arguments and then the error; or a function, which gets the error and then the arguments. Not asked where the error
   * is an answer in itself (`NotFoundException` and other 4xx), nor when the caller gave up.
   */
  fallback?: string | ResilientFallback;
  /**
   * Tells apart calls with different answers, for `coalescing` and `lastGood`, which need it. It gets the arguments of the
   * call, and must take in whatever the answer depends on, above all who asks. Where it answers undefined the call is
   * neither shared nor remembered.
   */
  key?: (...args: never[]) => string | undefined;
}

/** @see ResilientCallOptions.fallback */
export type ResilientFallback = (error: unknown, ...args: never[]) => unknown;

/** A method that can be decorated with `@ResilientCall()`. */
export type AsyncMethod = (...args: never[]) => Promise<unknown>;

type Callable = (...args: unknown[]) => unknown;

const POLICIES = Symbol('nest-service-discovery:policies');

/**
 * Puts a policy around an async method of a provider or a controller, route handlers included; its order among other
 * decorators does not matter. The policy, its breaker above all, is one for all instances of the class in the app.
 * Nothing is retried unless `retry` or `pattern` asks for it: only the author knows whether a method may run twice.
 *
 * @example
 * ```ts
 * @ResilientCall({ timeout: '2s', retry: { maxAttempts: 2 }, fallback: 'cachedPrice' })
 * async price(sku: string): Promise<number> { … }
 * ```
 * @throws InvalidConfigurationError when the class is defined, naming everything that is wrong with the options
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
    const method: ResilientMethod = {
      name: options.service ?? label,
      options: toPolicyOptions(options, target, label),
    };
    const { fallback, key: keyOf } = options;

    async function resilient(this: unknown, ...args: unknown[]): Promise<unknown> {
      const policy = policiesOf(this).of(classOf(this) ?? owner, method);
      const attempt = (signal: AbortSignal): Promise<unknown> =>
        withSignal(signal, async () => Reflect.apply(original, this, args));
      const answer = fallback === undefined ? undefined : toFallback(fallback, this, args);
      const callKey = keyOf && callKeyOf(Reflect.apply(keyOf, this, args), `The key of ${label}`);
      return policy.execute(attempt, currentSignal(), answer, callKey);
    }
    mimic(resilient, original);
    descriptor.value = resilient as unknown as T;
    // Nest makes no classes, so a static method belongs to no app.
    if (typeof target !== 'function') onInjected(target, POLICIES, ResiliencePolicies, adopt);
  };
}

function checkMethod(value: unknown, label: string): Callable {
  if (typeof value === 'function') return value as Callable;
  throw new InvalidConfigurationError([{ path: `@ResilientCall ${label}`, value, expected: 'to stand on a method' }]);
}

/** Checked here rather than at the first call: a wrong option should stop the start. */
function toPolicyOptions(options: ResilientCallOptions, target: object, label: string): ResiliencePolicyOptions {
  const { service: _service, pattern, fallback, key, ...own } = options;
  const problems: Problem[] = [];
  if (pattern !== undefined && !TIERS.includes(pattern)) {
    problems.push({ path: 'pattern', value: pattern, expected: `one of ${TIERS.join(', ')}` });
  }
  const answers = typeof fallback === 'string' ? (target as Record<string, unknown>)[fallback] : fallback;
  if (fallback !== undefined && typeof answers !== 'function') {
    problems.push({ path: 'fallback', value: fallback, expected: 'the name of a method of the class, or a function' });
  }
  const sharing = own.coalescing ? 'coalescing' : own.lastGood && 'lastGood';
  if (key === undefined ? sharing : typeof key !== 'function') {
    const purpose = sharing ? `, which ${sharing} goes by` : '';
    problems.push({ path: 'key', value: key, expected: `a function that makes a text of the arguments${purpose}` });
  }
  const policy = {
    circuitBreaker: {},
    ...(pattern && givingWay(patternOptions(pattern), own)),
    ...withoutUndefined(own),
  };
  try {
    resolveResiliencePolicyOptions(policy);
  } catch (error) {
    if (!(error instanceof InvalidConfigurationError)) throw error;
    problems.push(...error.problems);
  }
  if (problems.length === 0) return policy;
  throw new InvalidConfigurationError(
    problems.map((problem) => ({ ...problem, path: `@ResilientCall ${label}: ${problem.path}` })),
  );
}

function patternOptions(tier: Tier): ResiliencePolicyOptions {
  const pattern = COMMUNICATION_PATTERNS[tier] as (typeof COMMUNICATION_PATTERNS)[Tier] | undefined;
  if (!pattern) return {};
  const { timeout, attemptTimeout, retry, circuitBreaker, concurrency } = pattern;
  return {
    timeout,
    attemptTimeout,
    retry,
    circuitBreaker,
    bulkhead: concurrency !== false && { maxConcurrent: concurrency },
  };
}

function toFallback(
  fallback: string | ResilientFallback,
  instance: unknown,
  args: unknown[],
): (error: unknown) => unknown {
  return (error) => {
    if (classifyError(error) === 'success') throw error;
    if (typeof fallback === 'function') return Reflect.apply(fallback as Callable, instance, [error, ...args]);
    return Reflect.apply((instance as Record<string, Callable>)[fallback]!, instance, [...args, error]);
  };
}

function classOf(instance: unknown): object | undefined {
  return typeof instance === 'object' && instance !== null ? instance.constructor : undefined;
}
