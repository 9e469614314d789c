import { type Clock, type Random } from '../../common/index.js';
import { LoadTracker } from '../../balancing/index.js';
import { type EventSink, type ServiceInstance } from '../../model/index.js';
import { type CircuitBreaker } from '../../resilience/index.js';
import { Balancers } from './balancers.js';
import { InstanceStates } from './instance-states.js';
import { SharedPolicies } from './shared-policies.js';

/** How one instance's breaker stands. */
export interface CircuitBreakerView {
  readonly service: string;
  readonly instanceId: string;
  readonly state: CircuitBreaker['state'];
  /** Consecutive failures that count now. */
  readonly failures: number;
  readonly retryAfterMs: number | undefined;
}

/**
 * What is known of one service by everyone who calls it from this process: its instances, their load, their breakers,
 * the retry budget. Reconciled by instance id, so an update loses nothing of the instances that stay.
 */
export class ServiceChannel {
  readonly states: InstanceStates;
  readonly balancers: Balancers;
  readonly shared = new SharedPolicies();
  private readonly loads: LoadTracker;
  private list: readonly ServiceInstance[] = [];

  constructor(
    readonly service: string,
    readonly deps: { readonly clock: Clock; readonly random: Random; readonly events: EventSink },
  ) {
    const { clock, random, events } = deps;
    this.loads = new LoadTracker({ clock });
    this.states = new InstanceStates(service, deps);
    this.balancers = new Balancers({ clock, random, events, loads: this.loads });
  }

  get instances(): readonly ServiceInstance[] {
    return this.list;
  }

  update(instances: readonly ServiceInstance[]): void {
    if (instances === this.list) return;
    this.list = instances;
    this.loads.retain(instances);
    this.states.update(instances);
  }

  circuitBreakers(): CircuitBreakerView[] {
    const views: CircuitBreakerView[] = [];
    for (const [instanceId, { breakers }] of this.states.entries()) {
      for (const { state, failures, retryAfterMs } of breakers.values()) {
        views.push({ service: this.service, instanceId, state, failures, retryAfterMs });
      }
    }
    return views;
  }
}
