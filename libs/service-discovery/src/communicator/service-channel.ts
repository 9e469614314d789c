import { type Clock, type Random } from '../common/index.js';
import {
  createLoadBalancer,
  type LoadBalancer,
  type LoadBalancing,
  LoadTracker,
  selectEligible,
  selectServing,
  type SelectionCriteria,
} from '../balancing/index.js';
import { type EventSink, keyOf, type ServiceInstance } from '../model/index.js';
import {
  CircuitBreaker,
  type CircuitPermit,
  reportCircuit,
  type ResolvedCircuitBreakerOptions,
  type ResolvedRetryOptions,
  RetryBudget,
} from '../resilience/index.js';
import { type CallSettings } from './options.js';

/** How one instance's breaker stands. */
export interface CircuitBreakerView {
  readonly service: string;
  readonly instanceId: string;
  readonly state: CircuitBreaker['state'];
  /** Consecutive failures that count now. */
  readonly failures: number;
  readonly retryAfterMs: number | undefined;
}

/** No list at all, not even an empty one. */
const NOT_FED: readonly ServiceInstance[] = [];

/** Why an instance cannot take a call just now. */
export type Refusal = 'circuit_open' | 'at_capacity';

/** A call's place at an instance. */
export interface Place {
  /** Undefined where the settings have no breaker. */
  readonly permit: CircuitPermit | undefined;
  /** Gives the place back; to be called once. The permit is settled apart. */
  leave(): void;
}

/** What is known of one instance. */
interface InstanceState {
  /** Of the registration that the breakers have judged. */
  generation: number;
  /** Calls that have a place there. */
  active: number;
  /** By their settings. */
  readonly breakers: Map<string, CircuitBreaker>;
}

/** A balancer, and the list that it was given last. */
interface FedBalancer {
  readonly balancer: LoadBalancer;
  list: readonly ServiceInstance[];
}

/**
 * What is known of one service by everyone who calls it from this process: its instances, their load, their breakers,
 * the retry budget. Reconciled by instance id, so an update loses nothing of the instances that stay.
 */
export class ServiceChannel {
  private list: readonly ServiceInstance[] = [];
  private readonly loads: LoadTracker;
  private readonly builtIn = new Map<string, FedBalancer>();
  /** Held weakly: a caller may make a factory for each call, and with it a balancer. */
  private readonly custom = new WeakMap<Exclude<LoadBalancing, string>, FedBalancer>();
  /** By instance id; of those only that were called. */
  private readonly states = new Map<string, InstanceState>();
  private readonly budgets = new Map<string, RetryBudget>();

  constructor(
    private readonly service: string,
    private readonly deps: { clock: Clock; random: Random; events: EventSink },
  ) {
    this.loads = new LoadTracker({ clock: deps.clock });
  }

  get instances(): readonly ServiceInstance[] {
    return this.list;
  }

  update(instances: readonly ServiceInstance[]): void {
    if (instances === this.list) return;
    this.list = instances;
    this.loads.retain(instances);
    const present = new Map(instances.map(({ instanceId, generation }) => [instanceId, generation]));
    for (const [id, state] of this.states) {
      const generation = present.get(id);
      if (generation === undefined) this.states.delete(id);
      else if (generation !== state.generation) startAnew(state, generation);
    }
  }

  /** Up to date. Balancers are fed when they are asked for, so that one which is used no more costs nothing. */
  balancer(strategy: LoadBalancing): LoadBalancer {
    let fed = typeof strategy === 'string' ? this.builtIn.get(strategy) : this.custom.get(strategy);
    if (!fed) {
      fed = { balancer: createLoadBalancer(strategy, { ...this.deps, loads: this.loads }), list: NOT_FED };
      if (typeof strategy === 'string') this.builtIn.set(strategy, fed);
      else this.custom.set(strategy, fed);
    }
    if (fed.list !== this.list) {
      fed.list = this.list;
      fed.balancer.update(this.list);
    }
    return fed.balancer;
  }

  /** A place for a call, or why there is none, of which `refusal` tells beforehand. */
  enter(instance: ServiceInstance, settings: CallSettings): Place | Refusal {
    const { instanceId } = instance;
    const state = this.stateOf(instance);
    if (state.active >= settings.concurrency) return 'at_capacity';
    const permit = this.breaker(instanceId, state, settings)?.tryAcquire();
    if (permit === null) return 'circuit_open';
    state.active++;
    return { permit, leave: () => void state.active-- };
  }

  /** Undefined where the settings have no budget. One budget for all callers whose budgets are alike. */
  budget(retry: ResolvedRetryOptions): RetryBudget | undefined {
    if (!retry.budget) return undefined;
    const key = JSON.stringify(retry.budget);
    let budget = this.budgets.get(key);
    if (!budget) this.budgets.set(key, (budget = new RetryBudget(retry.budget, { clock: this.deps.clock })));
    return budget;
  }

  /** Undefined when the instance can take a call. */
  refusal(instance: ServiceInstance, settings: CallSettings): Refusal | undefined {
    const state = this.states.get(instance.instanceId);
    if (!state) return undefined;
    if (state.breakers.get(settings.breakerKey)?.canAcquire() === false) return 'circuit_open';
    return state.active >= settings.concurrency ? 'at_capacity' : undefined;
  }

  /** Whether an instance that was not tried yet can take the call now. */
  hasUntried(tried: ReadonlySet<string>, settings: CallSettings, criteria?: SelectionCriteria): boolean {
    const refusal = (instance: ServiceInstance): string | undefined =>
      tried.has(instance.instanceId) ? 'tried' : this.refusal(instance, settings);
    return selectEligible(this.list, { ...criteria, refusal }).kind === 'eligible';
  }

  /**
   * Milliseconds until a circuit of those that could take the call lets it through; 0 where one does now, Infinity where
   * nobody can tell.
   */
  circuitWaitMs(settings: CallSettings, criteria?: SelectionCriteria): number {
    let shortest = Number.POSITIVE_INFINITY;
    for (const { instanceId } of selectServing(this.list, criteria)) {
      const breaker = this.states.get(instanceId)?.breakers.get(settings.breakerKey);
      if (!breaker || breaker.canAcquire()) return 0;
      shortest = Math.min(shortest, breaker.retryAfterMs ?? Number.POSITIVE_INFINITY);
    }
    return shortest;
  }

  circuitBreakers(): CircuitBreakerView[] {
    const views: CircuitBreakerView[] = [];
    for (const [instanceId, { breakers }] of this.states) {
      for (const { state, failures, retryAfterMs } of breakers.values()) {
        views.push({ service: this.service, instanceId, state, failures, retryAfterMs });
      }
    }
    return views;
  }

  private stateOf({ instanceId, generation }: ServiceInstance): InstanceState {
    let state = this.states.get(instanceId);
    if (!state) this.states.set(instanceId, (state = { generation, active: 0, breakers: new Map() }));
    return state;
  }

  private breaker(instanceId: string, { breakers }: InstanceState, settings: CallSettings): CircuitBreaker | undefined {
    if (!settings.circuitBreaker) return undefined;
    let breaker = breakers.get(settings.breakerKey);
    if (!breaker) {
      breaker = this.createBreaker(instanceId, settings.circuitBreaker);
      breakers.set(settings.breakerKey, breaker);
    }
    return breaker;
  }

  private createBreaker(instanceId: string, options: ResolvedCircuitBreakerOptions): CircuitBreaker {
    const { clock, random, events } = this.deps;
    const subject = { service: this.service, instanceId };
    return new CircuitBreaker(options, {
      clock,
      random,
      name: keyOf({ serviceName: this.service, instanceId }),
      onStateChange: reportCircuit(events, subject),
    });
  }
}

/** A new registration is a new process, most likely one that was restarted because the old one failed. */
function startAnew(state: InstanceState, generation: number): void {
  state.generation = generation;
  for (const breaker of state.breakers.values()) if (!breaker.forced) breaker.reset();
}
