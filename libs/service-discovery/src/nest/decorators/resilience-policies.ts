import { type Clock, type Random, systemClock, systemRandom } from '../../common/index.js';
import { type EventSink, SILENT } from '../../model/index.js';
import { ResiliencePolicy, type ResiliencePolicyOptions } from '../../resilience/index.js';

/** A decorated method: what its policy is made from. Its identity is the key of the policy. */
export interface ResilientMethod {
  /** What logs, events and metrics call it. */
  readonly name: string;
  readonly options: ResiliencePolicyOptions;
}

export interface ResiliencePoliciesDeps {
  clock?: Clock;
  random?: Random;
  events?: EventSink;
}

/**
 * The policies of an app's `@ResilientCall()` methods: one a class and method, shared by all instances of the class, so
 * that a request-scoped provider keeps its circuit breaker from request to request. A subclass has policies of its own.
 */
export class ResiliencePolicies {
  private readonly byClass = new WeakMap<object, Map<ResilientMethod, ResiliencePolicy>>();

  constructor(private readonly deps: ResiliencePoliciesDeps = {}) {}

  of(owner: object, method: ResilientMethod): ResiliencePolicy {
    let policies = this.byClass.get(owner);
    if (!policies) this.byClass.set(owner, (policies = new Map<ResilientMethod, ResiliencePolicy>()));
    let policy = policies.get(method);
    if (!policy) {
      const { clock = systemClock, random = systemRandom, events = SILENT } = this.deps;
      policies.set(
        method,
        (policy = new ResiliencePolicy(method.options, { clock, random, events, name: method.name })),
      );
    }
    return policy;
  }
}

const byInstance = new WeakMap<object, ResiliencePolicies>();
const detached = new ResiliencePolicies();

/** Says which app an instance belongs to. */
export function adopt(instance: object, policies: ResiliencePolicies): void {
  byInstance.set(instance, policies);
}

/** The policies of the app that made the instance; for one made by hand, a set of the process with no events. */
export function policiesOf(instance: unknown): ResiliencePolicies {
  return (typeof instance === 'object' && instance !== null ? byInstance.get(instance) : undefined) ?? detached;
}
