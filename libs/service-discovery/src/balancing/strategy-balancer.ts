import { type Clock } from '../common/index.js';
import { type ServiceInstance } from '../model/index.js';
import { selectEligible } from './eligibility.js';
import { type BalancingExplanation, type FilterStage, type InstanceExplanation } from './explanation.js';
import { type LoadBalancer, type PickContext, type PickResult, type SelectionCriteria } from './load-balancer.js';
import { type UnavailableReason } from './unavailable-reason.js';
import { type LoadBalancerDeps } from './load-balancer-deps.js';
import { hashKeyOf, type HashSource } from './hash-source.js';
import { hashSourcesFor } from './hash-options.js';
import { type LoadTracker } from './load-tracker.js';
import { type Candidate, type Strategy } from './strategy.js';

/** What picks choose from as long as they exclude nobody, or why there is nobody. */
type Choice = readonly Candidate[] | UnavailableReason;

/** A service's callers ask by few criteria: beyond this, somebody makes them up. */
const CRITERIA_LIMIT = 64;

/**
 * A load balancer out of the filters, a strategy and a load tracker. What a pick chooses from is worked out once for
 * each update and criteria.
 */
export class StrategyBalancer implements LoadBalancer {
  private instances: readonly ServiceInstance[] = [];
  private candidates = new Map<string, Candidate>();
  private usual: Choice = 'no_instances';
  private readonly byCriteria = new Map<string, Choice>();
  private readonly loads: LoadTracker;
  private readonly clock: Clock;
  private readonly keySources: readonly HashSource[];

  /** @param name the strategy's, for explanations */
  constructor(
    private readonly name: string,
    private readonly strategy: Strategy,
    deps: Pick<LoadBalancerDeps, 'loads' | 'clock' | 'options'>,
  ) {
    this.loads = deps.loads;
    this.clock = deps.clock;
    this.keySources = hashSourcesFor(name, deps.options.hash);
  }

  update(instances: readonly ServiceInstance[]): void {
    if (instances === this.instances) return;
    this.instances = instances;
    this.loads.retain(instances);
    this.candidates = this.reconcile(instances);
    this.byCriteria.clear();
    this.usual = this.select({});
    this.strategy.update?.(typeof this.usual === 'string' ? [] : this.usual);
  }

  pick(context: PickContext = {}): PickResult {
    const { exclude, avoid, refusal } = context;
    if ((exclude === undefined || exclude.size === 0) && (avoid === undefined || avoid.size === 0)) {
      const choice = this.choiceFor(context);
      if (typeof choice === 'string') return { kind: 'unavailable', reason: choice };
      const chosen = this.strategy.choose(choice, { key: hashKeyOf(context, this.keySources), context, base: choice });
      // Asking about the chosen one alone is cheaper than asking about all: a refusal is the exception.
      if (refusal?.(chosen.instance) === undefined) return begin(chosen);
    }
    const selected = selectEligible(this.instances, context);
    if (selected.kind === 'unavailable') return selected;
    const left = this.candidatesOf(selected.instances);
    const usual = this.choiceFor(context);
    const base = typeof usual === 'string' ? left : usual;
    return begin(this.strategy.choose(left, { key: hashKeyOf(context, this.keySources), context, base }));
  }

  explain(context: PickContext = {}): BalancingExplanation {
    const leftOut = new Map<ServiceInstance, { stage: FilterStage; reason: string }>();
    const selected = selectEligible(this.instances, context, (instance, stage, reason) => {
      leftOut.set(instance, { stage, reason });
    });
    const now = this.clock.now();
    const instances = this.instances.map((instance): InstanceExplanation => {
      const { instanceId, status } = instance;
      const weight = this.candidates.get(instanceId)?.weight ?? instance.weight;
      const load = this.loads.of(instanceId);
      const measures = { weight, active: load.active, latencyMs: load.ewmaMs(now) };
      return { instanceId, status, taken: !leftOut.has(instance), ...leftOut.get(instance), ...measures };
    });
    const unavailable = selected.kind === 'unavailable' ? selected.reason : undefined;
    return { strategy: this.name, key: hashKeyOf(context, this.keySources), unavailable, instances };
  }

  private choiceFor({ version, tags, zone }: SelectionCriteria): Choice {
    if (version === undefined && zone === undefined && (tags === undefined || tags.length === 0)) return this.usual;
    const key = JSON.stringify([version, zone, tags]);
    let choice = this.byCriteria.get(key);
    if (choice === undefined) {
      choice = this.select({ version, tags, zone });
      if (this.byCriteria.size >= CRITERIA_LIMIT) this.byCriteria.clear();
      this.byCriteria.set(key, choice);
    }
    return choice;
  }

  private select(criteria: SelectionCriteria): Choice {
    const selected = selectEligible(this.instances, criteria);
    return selected.kind === 'eligible' ? this.candidatesOf(selected.instances) : selected.reason;
  }

  /** Candidates live as long as their id is listed; what a strategy keeps in them survives every update. */
  private reconcile(instances: readonly ServiceInstance[]): Map<string, Candidate> {
    const next = new Map<string, Candidate>();
    for (const instance of instances) {
      const candidate = this.candidates.get(instance.instanceId) ?? this.admit(instance);
      candidate.instance = instance;
      candidate.weight = instance.weight;
      next.set(instance.instanceId, candidate);
    }
    return next;
  }

  private admit(instance: ServiceInstance): Candidate {
    const known = { instance, load: this.loads.of(instance.instanceId), weight: instance.weight };
    return this.strategy.admit?.(known) ?? known;
  }

  private candidatesOf(instances: readonly ServiceInstance[]): Candidate[] {
    const found: Candidate[] = [];
    for (const { instanceId } of instances) {
      const candidate = this.candidates.get(instanceId);
      if (candidate) found.push(candidate);
    }
    return found;
  }
}

function begin({ instance, load }: Candidate): PickResult {
  let ended = false;
  load.begin();
  return {
    kind: 'picked',
    instance,
    done: (outcome) => {
      if (ended) return;
      ended = true;
      load.end(outcome);
    },
  };
}
