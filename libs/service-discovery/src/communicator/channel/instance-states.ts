import { type OutcomeClass } from '../../common/index.js';
import { type ServiceInstance } from '../../model/index.js';
import { type CircuitPermit, type OutlierDetector } from '../../resilience/index.js';
import { type BreakerDeps, Breakers, OpenCircuits } from './breakers.js';
import { type InstanceChanges } from './instance-changes.js';

/** State of one instance. */
export interface InstanceState {
  readonly instanceId: string;
  /** The generation that the breakers have counted calls to. */
  generation: number;
  /** Calls in flight at the instance. */
  active: number;
  /** When the last call to it ended, by `Clock.now()`; minus infinity: never. */
  calledAt: number;
  readonly breakers: Breakers;
}

/** The slot of one attempt at an instance. */
export class Place {
  private recorded = false;

  constructor(
    private readonly state: InstanceState,
    /** Undefined if the settings have no breaker. */
    private readonly permit: CircuitPermit | undefined,
    /** Undefined if the settings have no outlier detection. */
    private readonly outliers: OutlierDetector | undefined,
  ) {
    state.active++;
  }

  /**
   * Records the outcome of the attempt; only the first call has an effect.
   * @param now when it ended, by `Clock.now()` @default read from the clock
   */
  record(verdict: OutcomeClass, latencyMs: number, now?: number): void {
    if (this.recorded) return;
    this.recorded = true;
    if (now !== undefined) this.state.calledAt = now;
    this.permit?.settle(verdict, now);
    this.outliers?.record(this.state.instanceId, verdict, latencyMs, now);
  }

  /** Frees the slot; call it once, after the outcome was recorded. */
  leave(): void {
    this.state.active--;
  }
}

/** State of the instances of one service that have been called, by id, for as long as the id is registered. */
export class InstanceStates {
  private readonly states = new Map<string, InstanceState>();
  private readonly openCircuits = new OpenCircuits();

  constructor(
    private readonly service: string,
    private readonly deps: BreakerDeps,
  ) {}

  /**
   * Drops instances that are gone and resets those that recovered.
   * @param instances how many there are now
   */
  update(instances: number, { joined, left, replaced, recovered }: InstanceChanges): void {
    // An instance with a new address was removed and added under the same id.
    const moved = new Set(left.length === 0 ? [] : joined.map(({ instanceId }) => instanceId));
    for (const { instanceId } of left) if (!moved.has(instanceId)) this.drop(instanceId);
    for (const { instanceId, generation } of replaced) {
      const state = this.states.get(instanceId);
      if (!state) continue;
      // A new process, most likely restarted because the old one failed.
      state.generation = generation;
      state.breakers.startAnew();
    }
    for (const { instanceId } of recovered) this.states.get(instanceId)?.breakers.halfOpen();
    this.openCircuits.retain(instances);
  }

  /** Undefined until the instance is called. */
  find(instanceId: string): InstanceState | undefined {
    return this.states.get(instanceId);
  }

  of({ instanceId, generation }: ServiceInstance): InstanceState {
    let state = this.states.get(instanceId);
    if (!state) {
      const breakers = new Breakers({ service: this.service, instanceId }, this.deps, this.openCircuits);
      this.states.set(
        instanceId,
        (state = { instanceId, generation, active: 0, calledAt: Number.NEGATIVE_INFINITY, breakers }),
      );
    }
    return state;
  }

  values(): IterableIterator<InstanceState> {
    return this.states.values();
  }

  /** Forgets an instance that is gone. */
  drop(instanceId: string): void {
    this.states.get(instanceId)?.breakers.leave();
    this.states.delete(instanceId);
  }
}
