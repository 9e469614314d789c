import { type Clock, type Outcome } from '../common/index.js';
import { type EventSink, type ServiceInstance } from '../model/index.js';
import { CandidateList } from './candidate-list.js';
import { Chooser, WeylSequence } from './chooser.js';
import { type InstanceLoad, type LoadTracker } from './load/load-tracker.js';
import { SlowStart } from './load/slow-start.js';
import { type LoadBalancer, type LoadBalancerDeps, type PickContext, type PickResult } from './load-balancer.js';
import {
  choiceAt,
  hasDefaultCriteria,
  largestPool,
  ownerOfKey,
  type Plan,
  PlanCache,
  planFor,
  poolAt,
  positionIn,
} from './plan.js';
import { select } from './selection/eligibility.js';
import { explainSelection } from './selection/explain-selection.js';
import { type BalancingExplanation } from './selection/explanation.js';
import { Preferences } from './selection/preferences.js';
import { type VersionShare } from './selection/version-range.js';
import { hashSourcesFor } from './strategies/hash-options.js';
import { hashKeyOf, type HashSource } from './strategies/hash-source.js';
import { unitHash } from './strategies/stable-hash.js';
import { type Candidate, type PickArgs, type Strategy } from './strategies/strategy.js';

/**
 * A load balancer made of filters, a strategy and a load tracker. What a pick chooses from is computed once per update and
 * criteria.
 */
export class StrategyBalancer implements LoadBalancer {
  private readonly candidateList: CandidateList;
  private readonly plans: PlanCache;
  private preferences: Preferences;
  private readonly slowStart: SlowStart | undefined;
  private readonly chooser: Chooser;
  private readonly draws: WeylSequence;
  private readonly keySources: readonly HashSource[];
  private readonly loads: LoadTracker;
  private readonly clock: Clock;
  private readonly events: EventSink;
  private usual: Plan | undefined;
  /** What the last pick with default criteria had to avoid: most likely the next one has to, too. */
  private avoided: Pick<PickContext, 'avoid' | 'unreachable'> = {};
  private isPanic = false;
  private isFailOpen = false;
  /** `LoadTracker.forgotten` when the candidates were last checked for forgotten loads. */
  private forgotten = 0;
  private service = '';

  /** @param name the strategy's name */
  constructor(
    private readonly name: string,
    private readonly strategy: Strategy,
    { loads, clock, random, events, options }: LoadBalancerDeps,
  ) {
    this.loads = loads;
    this.clock = clock;
    this.events = events;
    this.preferences = new Preferences(options);
    this.candidateList = new CandidateList(
      (instance) => this.admit(instance),
      (before, after) => this.preferences.areAlike(before, after),
    );
    this.slowStart = options.slowStart ? new SlowStart(options.slowStart, clock, random) : undefined;
    this.chooser = new Chooser(strategy, this.slowStart, clock);
    this.draws = new WeylSequence(random);
    this.keySources = hashSourcesFor(name, options.hash);
    this.plans = new PlanCache((context, before) => this.plan(context, before));
  }

  update(instances: readonly ServiceInstance[]): void {
    if (instances === this.candidateList.list) return;
    this.service = instances[0]?.serviceName ?? this.service;
    this.loads.retain(instances);
    const isChanged = this.candidateList.update(instances);
    // Most updates come from a health check or a heartbeat and change nothing for picks.
    if (this.readmit() || isChanged) this.invalidatePlans();
  }

  shareByVersion(share: VersionShare | undefined): void {
    this.preferences = new Preferences(this.preferences.options, share);
    this.invalidatePlans();
  }

  pick(context: PickContext = {}): PickResult {
    if (this.readmit()) this.invalidatePlans();
    if (this.slowStart?.takeStep(context.now ?? this.clock.now()) === true) this.applySlowStart(this.slowStart);
    const route = this.preferences.routeOf(context);
    const plan = this.plans.for(context, route);
    if (plan !== this.usual && hasDefaultCriteria(context, route)) {
      const { avoid, unreachable } = context;
      this.avoided = { avoid, unreachable };
      this.useAsUsual(plan);
    }
    if (plan.unavailable !== undefined) return { kind: 'unavailable', reason: plan.unavailable };
    const key = hashKeyOf(context, this.keySources);
    const draw = plan.pools.length === 1 ? 0 : this.draw(key ?? context.key);
    const pool = poolAt(plan.pools, draw);
    const { members: base, registered } = pool;
    const chosen = this.chooser.chooseAccepting({ key, context, base, registered }, this.candidateList.byId);
    return chosen
      ? new Picked(chosen.instance, chosen.load, plan.isFailOpen)
      : this.pickFromRest(plan, { key, context, draw: positionIn(plan.pools, pool, draw) });
  }

  explain(context: PickContext = {}): BalancingExplanation {
    const now = this.clock.now();
    const selection = explainSelection(this.candidateList.list, context, this.preferences, ({ instanceId, weight }) => {
      const load = this.loads.of(instanceId);
      const slowStart = this.slowStart?.factorOf(instanceId, now) ?? 1;
      return { weight, slowStart, active: load.active, latencyMs: load.peekMs(now) };
    });
    const { goesBy } = this.strategy;
    const key = hashKeyOf(context, this.keySources);
    return { strategy: this.name, goesBy, key, owner: this.ownerOf(key, context), ...selection };
  }

  private ownerOf(key: string | undefined, context: PickContext): string | undefined {
    if (key === undefined || !this.strategy.ownerOf) return undefined;
    const usual = this.plan({ ...context, exclude: undefined, refusal: undefined });
    return ownerOfKey(this.strategy, { usual, rest: this.plan(context), draw: unitHash(key) }, { key, context });
  }

  /** For a pick that no instance of its pool can take: makes a plan for this pick alone. */
  private pickFromRest(
    plan: Plan,
    { key, context, draw }: Pick<PickArgs, 'key' | 'context'> & { draw: number },
  ): PickResult {
    const rest = this.plan(context);
    if (rest.unavailable !== undefined) return { kind: 'unavailable', reason: rest.unavailable };
    const { members, ...lists } = choiceAt(rest, plan, draw);
    const { instance, load } = this.chooser.choose(members, { key, context, ...lists });
    return new Picked(instance, load, rest.isFailOpen);
  }

  private plan(context: PickContext, before?: Plan): Plan {
    return planFor(select(this.candidateList.list, context, this.preferences), this.candidateList, before);
  }

  private invalidatePlans(): void {
    this.plans.invalidate();
    if (this.slowStart) this.restartSlowStart(this.slowStart);
    this.useAsUsual(this.plans.for(this.avoided, undefined));
  }

  /** Makes this the plan of picks with default criteria, and tells the strategy and the event sink what changed. */
  private useAsUsual(plan: Plan): void {
    const before = largestPool(this.usual?.pools ?? []);
    const pool = largestPool(plan.pools);
    this.usual = plan;
    if (pool === undefined || pool.members !== before?.members) this.strategy.update?.(pool?.members ?? []);
    this.reportPanic(plan);
    this.reportFailOpen(plan);
  }

  private reportPanic({ isPanic, healthyShare }: Plan): void {
    if (isPanic === this.isPanic) return;
    this.isPanic = isPanic;
    const { service } = this;
    this.events.emit(isPanic ? 'balancing.panic' : 'balancing.panic_ended', { service, healthyShare });
  }

  private reportFailOpen({ isFailOpen, pools }: Plan): void {
    if (isFailOpen === this.isFailOpen) return;
    this.isFailOpen = isFailOpen;
    const { service } = this;
    const unhealthy = pools.reduce((sum, { members }) => sum + members.length, 0);
    if (isFailOpen) this.events.emit('balancing.fail_open', { service, unhealthy });
    else this.events.emit('balancing.fail_open_ended', { service });
  }

  /** Resets weights to those of the instances; the next pick applies the slow-start factors. */
  private restartSlowStart(slowStart: SlowStart): void {
    for (const candidate of this.candidateList.candidates) candidate.weight = candidate.instance.weight;
    slowStart.update(this.plans.for({}, undefined).usable);
  }

  /** Weighted strategies see the growing weights; for others the chooser skips turns. */
  private applySlowStart(slowStart: SlowStart): void {
    if (this.strategy.isWeighted !== true) return;
    const now = this.clock.now();
    for (const candidate of this.candidateList.candidates) {
      const { weight, instanceId } = candidate.instance;
      candidate.weight = weight * slowStart.factorOf(instanceId, now);
    }
    this.plans.invalidate();
  }

  /** Calls with the same key use the same pool, as long as the pools keep their shares. */
  private draw(key: string | undefined): number {
    return key === undefined ? this.draws.next() : unitHash(key);
  }

  /**
   * Another balancer that shares the loads may have seen a list without some of these instances. Their loads are forgotten then,
   * and the table rows may belong to other instances by now.
   */
  private readmit(): boolean {
    const { forgotten } = this.loads;
    if (forgotten === this.forgotten) return false;
    this.forgotten = forgotten;
    return this.candidateList.readmit();
  }

  private admit(instance: ServiceInstance): Candidate {
    const known = { instance, load: this.loads.of(instance.instanceId), weight: instance.weight };
    return this.strategy.admit?.(known) ?? known;
  }
}

/** A picked instance. Its call counts as in flight from now until `done`. */
class Picked implements Extract<PickResult, { kind: 'picked' }> {
  readonly kind = 'picked';
  /** Undefined once done. */
  private load: InstanceLoad | undefined;

  constructor(
    readonly instance: ServiceInstance,
    load: InstanceLoad,
    readonly failOpen: boolean,
  ) {
    this.load = load;
    load.begin();
  }

  done(outcome: Outcome, now?: number): void {
    const { load } = this;
    this.load = undefined;
    load?.end(outcome, now);
  }
}
