import { type Clock, type OutcomeClass, type Random } from '../../common/index.js';
import { type EventSink, keyOf, type ServiceInstance } from '../../model/index.js';
import {
  CircuitBreaker,
  type CircuitPermit,
  reportCircuit,
  type ResolvedCircuitBreakerOptions,
} from '../../resilience/index.js';

/** A call's place at an instance. */
export class Place {
  constructor(
    private readonly state: InstanceState,
    /** Undefined where the settings have no breaker. */
    private readonly permit: CircuitPermit | undefined,
  ) {
    state.active++;
  }

  /** Says how the attempt went; the first time counts. */
  settle(verdict: OutcomeClass): void {
    this.permit?.settle(verdict);
  }

  /** Gives the place back; to be called once, after it was settled. */
  leave(): void {
    this.state.active--;
  }
}

/** What is known of one instance. */
export interface InstanceState {
  /** Of the registration that the breakers have judged. */
  generation: number;
  /** Calls that have a place there. */
  active: number;
  /** By their settings. */
  readonly breakers: Map<string, CircuitBreaker>;
}

/** What is known of the instances of one service that were called: kept by id, for as long as the id is registered. */
export class InstanceStates {
  private readonly states = new Map<string, InstanceState>();

  constructor(
    private readonly service: string,
    private readonly deps: { readonly clock: Clock; readonly random: Random; readonly events: EventSink },
  ) {}

  /** Forgets instances that are gone. */
  update(instances: readonly ServiceInstance[]): void {
    if (this.states.size === 0) return;
    const present = new Map(instances.map(({ instanceId, generation }) => [instanceId, generation]));
    for (const [id, state] of this.states) {
      const generation = present.get(id);
      if (generation === undefined) this.states.delete(id);
      else if (generation !== state.generation) startAnew(state, generation);
    }
  }

  /** Undefined while the instance has not been called. */
  find(instanceId: string): InstanceState | undefined {
    return this.states.get(instanceId);
  }

  of({ instanceId, generation }: ServiceInstance): InstanceState {
    let state = this.states.get(instanceId);
    if (!state) this.states.set(instanceId, (state = { generation, active: 0, breakers: new Map() }));
    return state;
  }

  entries(): IterableIterator<[string, InstanceState]> {
    return this.states.entries();
  }

  /** The instance's breaker for these settings. */
  breaker(
    instanceId: string,
    { breakers }: InstanceState,
    key: string,
    options: ResolvedCircuitBreakerOptions,
  ): CircuitBreaker {
    let breaker = breakers.get(key);
    if (!breaker) breakers.set(key, (breaker = this.createBreaker(instanceId, options)));
    return breaker;
  }

  private createBreaker(instanceId: string, options: ResolvedCircuitBreakerOptions): CircuitBreaker {
    const { clock, random, events } = this.deps;
    return new CircuitBreaker(options, {
      clock,
      random,
      name: keyOf({ serviceName: this.service, instanceId }),
      onStateChange: reportCircuit(events, { service: this.service, instanceId }),
    });
  }
}

/** A new registration is a new process, most likely one that was restarted because the old one failed. */
function startAnew(state: InstanceState, generation: number): void {
  state.generation = generation;
  for (const breaker of state.breakers.values()) if (!breaker.forced) breaker.reset();
}
