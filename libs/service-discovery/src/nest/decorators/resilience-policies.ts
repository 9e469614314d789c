import { type Clock, type Random, systemClock, systemRandom } from '../../common/index.js';
import { type EventSink, SILENT } from '../../model/index.js';
import { type MethodDefaults, NO_DEFAULTS } from './method-policy.js';
import { ResiliencePolicy, type ResiliencePolicyOptions } from '../../resilience/index.js';

/** A decorated method and how its policy is created. Its identity is the key of the policy. */
export interface ResilientMethod {
  /** Its name in logs, events and metrics. */
  readonly name: string;
  /** @throws InvalidConfigurationError for options that contradict the settings */
  readonly policyIn: (settings: MethodDefaults) => ResiliencePolicyOptions;
}

export interface ResiliencePoliciesDeps {
  clock?: Clock;
  random?: Random;
  events?: EventSink;
  /** The module's settings. @default none */
  settings?: MethodDefaults;
}

/**
 * The policies of an app's `@ResilientCall()` methods: one per class and method, shared by all instances of the class,
 * so that a request-scoped provider keeps its circuit breaker across requests. A subclass has its own policies.
 */
export class ResiliencePolicies {
  private readonly byClass = new WeakMap<object, Map<ResilientMethod, ResiliencePolicy>>();

  constructor(private readonly deps: ResiliencePoliciesDeps = {}) {}

  /**
   * Creates the policies of all decorated methods of an instance.
   * @throws InvalidConfigurationError for options that contradict the module's settings
   */
  prepare(instance: object): void {
    for (let at: unknown = instance; isObject(at); at = Object.getPrototypeOf(at)) {
      for (const method of declared.get(at) ?? []) this.of(instance.constructor, method);
    }
  }

  of(owner: object, method: ResilientMethod): ResiliencePolicy {
    let policies = this.byClass.get(owner);
    if (!policies) this.byClass.set(owner, (policies = new Map<ResilientMethod, ResiliencePolicy>()));
    let policy = policies.get(method);
    if (!policy) {
      const { clock = systemClock, random = systemRandom, events = SILENT, settings = NO_DEFAULTS } = this.deps;
      const options = method.policyIn(settings);
      policy = new ResiliencePolicy(options, { clock, random, events, name: method.name });
      policies.set(method, policy);
    }
    return policy;
  }
}

/** Decorated methods by prototype. */
const declared = new WeakMap<object, ResilientMethod[]>();

export function declareResilient(prototype: object, method: ResilientMethod): void {
  declared.set(prototype, [...(declared.get(prototype) ?? []), method]);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

const byInstance = new WeakMap<object, ResiliencePolicies>();
const detached = new ResiliencePolicies();

/**
 * Assigns an instance to an app.
 * @throws InvalidConfigurationError for options of its methods that contradict the module's settings
 */
export function adopt(instance: object, policies: ResiliencePolicies): void {
  byInstance.set(instance, policies);
  policies.prepare(instance);
}

/**
 * The policies of the app that created the instance; for a manually created one, process-wide policies without events.
 */
export function policiesOf(instance: unknown): ResiliencePolicies {
  return (typeof instance === 'object' && instance !== null ? byInstance.get(instance) : undefined) ?? detached;
}
