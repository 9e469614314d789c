import { type ServiceInstance } from '../model/index.js';
import { selectEligible } from './eligibility.js';
import {
  type LoadBalancer,
  type PickContext,
  type PickResult,
  type SelectionCriteria,
  type UnavailableReason,
} from './load-balancer.js';
import { type LoadTracker } from './load-tracker.js';
import { type Candidate, type Strategy } from './strategy.js';

/** What picks choose from as long as they exclude nobody, or why there is nobody. */
type Choice<C> = readonly C[] | UnavailableReason;

/** A service's callers ask by few criteria: beyond this, somebody makes them up. */
const CRITERIA_LIMIT = 64;

/**
 * A load balancer out of the filters, a strategy and a load tracker. What a pick chooses from is worked out once for
 * each update and criteria.
 */
export class StrategyBalancer<C extends Candidate> implements LoadBalancer {
  private instances: readonly ServiceInstance[] = [];
  private candidates = new Map<string, C>();
  private usual: Choice<C> = 'no_instances';
  private readonly byCriteria = new Map<string, Choice<C>>();

  constructor(
    private readonly strategy: Strategy<C>,
    private readonly loads: LoadTracker,
  ) {}

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
    const { exclude, isAvailable } = context;
    if (exclude === undefined || exclude.size === 0) {
      const choice = this.choiceFor(context);
      if (typeof choice === 'string') return { kind: 'unavailable', reason: choice };
      const chosen = this.strategy.choose(choice, { key: context.key, base: choice });
      // Asking about the chosen one alone is cheaper than asking about all: a refusal is the exception.
      if (isAvailable === undefined || isAvailable(chosen.instance)) return begin(chosen);
    }
    const selected = selectEligible(this.instances, context);
    if (selected.kind === 'unavailable') return selected;
    const left = this.candidatesOf(selected.instances);
    const usual = this.choiceFor(context);
    const base = typeof usual === 'string' ? left : usual;
    return begin(this.strategy.choose(left, { key: context.key, base }));
  }

  private choiceFor({ version, tags, zone }: SelectionCriteria): Choice<C> {
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

  private select(criteria: SelectionCriteria): Choice<C> {
    const selected = selectEligible(this.instances, criteria);
    return selected.kind === 'eligible' ? this.candidatesOf(selected.instances) : selected.reason;
  }

  /** Candidates live as long as their id is listed; what a strategy keeps in them survives every update. */
  private reconcile(instances: readonly ServiceInstance[]): Map<string, C> {
    const next = new Map<string, C>();
    for (const instance of instances) {
      const known = this.candidates.get(instance.instanceId);
      if (known) known.instance = instance;
      next.set(instance.instanceId, known ?? this.strategy.admit(instance, this.loads.of(instance.instanceId)));
    }
    return next;
  }

  private candidatesOf(instances: readonly ServiceInstance[]): C[] {
    const found: C[] = [];
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
