import { type Clock } from '../common/index.js';
import { type EventSink, type ServiceInstance } from '../model/index.js';
import { Chooser } from './chooser.js';
import { select } from './eligibility.js';
import { EvenSequence } from './even-sequence.js';
import { explainSelection } from './explain-selection.js';
import { type BalancingExplanation } from './explanation.js';
import { hashSourcesFor } from './hash-options.js';
import { hashKeyOf, type HashSource } from './hash-source.js';
import { type LoadBalancerDeps } from './load-balancer-deps.js';
import { type LoadBalancer, type PickContext, type PickResult } from './load-balancer.js';
import { type LoadTracker } from './load-tracker.js';
import { isUnspecific, PlanCache } from './plan-cache.js';
import { ownerOfKey } from './owner-of-key.js';
import { Picked } from './picked.js';
import { choiceAt, largestPool, placeIn, type Plan, planFor, poolAt } from './plan.js';
import { Preferences } from './preferences.js';
import { Roster } from './roster.js';
import { SlowStart } from './slow-start.js';
import { type Candidate, type Strategy, type Wish } from './strategy.js';
import { unitHash } from './unit-hash.js';

/**
 * A load balancer out of the filters, a strategy and a load tracker. What a pick chooses from is worked out once for
 * each update and criteria.
 */
export class StrategyBalancer implements LoadBalancer {
  private readonly roster: Roster;
  private readonly plans: PlanCache;
  private readonly preferences: Preferences;
  private readonly slowStart: SlowStart | undefined;
  private readonly chooser: Chooser;
  private readonly draws: EvenSequence;
  private readonly keySources: readonly HashSource[];
  private readonly loads: LoadTracker;
  private readonly clock: Clock;
  private readonly events: EventSink;
  private usual: Plan | undefined;
  /** What the last pick without special wishes was to avoid: most likely the next one, too. */
  private avoided: Pick<PickContext, 'avoid' | 'unreachable'> = {};
  private isPanic = false;
  private isFailOpen = false;
  /** How many loads had been forgotten when the list was last looked through for them. */
  private forgotten = 0;
  private service = '';

  /** @param name the strategy's */
  constructor(
    private readonly name: string,
    private readonly strategy: Strategy,
    { loads, clock, random, events, options }: LoadBalancerDeps,
  ) {
    this.loads = loads;
    this.clock = clock;
    this.events = events;
    this.preferences = new Preferences(options);
    this.roster = new Roster(
      (instance) => this.admit(instance),
      (before, after) => this.preferences.areAlike(before, after),
    );
    this.slowStart = options.slowStart ? new SlowStart(options.slowStart, clock, random) : undefined;
    this.chooser = new Chooser(strategy, this.slowStart, clock);
    this.draws = new EvenSequence(random);
    this.keySources = hashSourcesFor(name, options.hash);
    this.plans = new PlanCache((context, before) => this.plan(context, before));
  }

  update(instances: readonly ServiceInstance[]): void {
    if (instances === this.roster.list) return;
    this.service = instances[0]?.serviceName ?? this.service;
    this.loads.retain(instances);
    const isChanged = this.roster.update(instances);
    // Most updates are of a health check or a heartbeat, and leave everything as it is.
    if (this.readmit() || isChanged) this.renewPlans();
  }

  pick(context: PickContext = {}): PickResult {
    if (this.readmit()) this.renewPlans();
    if (this.slowStart?.takeStep(context.now ?? this.clock.now()) === true) this.followWarming(this.slowStart);
    const route = this.preferences.routeOf(context);
    const plan = this.plans.for(context, route);
    if (plan !== this.usual && isUnspecific(context, route)) {
      const { avoid, unreachable } = context;
      this.avoided = { avoid, unreachable };
      this.useAsUsual(plan);
    }
    if (plan.unavailable !== undefined) return { kind: 'unavailable', reason: plan.unavailable };
    const key = hashKeyOf(context, this.keySources);
    const draw = plan.pools.length === 1 ? 0 : this.draw(key ?? context.key);
    const pool = poolAt(plan.pools, draw);
    const { members: base, registered } = pool;
    const chosen = this.chooser.willing({ key, context, base, registered }, this.roster.byId);
    return chosen
      ? new Picked(chosen.instance, chosen.load, plan.isFailOpen)
      : this.pickBeyond(plan, { key, context, draw: placeIn(plan.pools, pool, draw) });
  }

  explain(context: PickContext = {}): BalancingExplanation {
    const now = this.clock.now();
    const selection = explainSelection(this.roster.list, context, this.preferences, ({ instanceId, weight }) => {
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

  /** Where nobody of the pool can take the call: what comes next is worked out for this pick alone. */
  private pickBeyond(plan: Plan, { key, context, draw }: Pick<Wish, 'key' | 'context'> & { draw: number }): PickResult {
    const rest = this.plan(context);
    if (rest.unavailable !== undefined) return { kind: 'unavailable', reason: rest.unavailable };
    const { members, ...lists } = choiceAt(rest, plan, draw);
    const { instance, load } = this.chooser.choose(members, { key, context, ...lists });
    return new Picked(instance, load, rest.isFailOpen);
  }

  private plan(context: PickContext, before?: Plan): Plan {
    return planFor(select(this.roster.list, context, this.preferences), this.roster, before);
  }

  private renewPlans(): void {
    this.plans.renew();
    if (this.slowStart) this.startSlowly(this.slowStart);
    this.useAsUsual(this.plans.for(this.avoided, undefined));
  }

  /** What most picks go by from now on. */
  private useAsUsual(plan: Plan): void {
    const before = largestPool(this.usual?.pools ?? []);
    const pool = largestPool(plan.pools);
    this.usual = plan;
    if (pool === undefined || pool.members !== before?.members) this.strategy.update?.(pool?.members ?? []);
    this.tellOfPanic(plan);
    this.tellOfFailOpen(plan);
  }

  private tellOfPanic({ isPanic, healthyShare }: Plan): void {
    if (isPanic === this.isPanic) return;
    this.isPanic = isPanic;
    const { service } = this;
    this.events.emit(isPanic ? 'balancing.panic' : 'balancing.panic_ended', { service, healthyShare });
  }

  private tellOfFailOpen({ isFailOpen, pools }: Plan): void {
    if (isFailOpen === this.isFailOpen) return;
    this.isFailOpen = isFailOpen;
    const { service } = this;
    const unhealthy = pools.reduce((sum, { members }) => sum + members.length, 0);
    if (isFailOpen) this.events.emit('balancing.fail_open', { service, unhealthy });
    else this.events.emit('balancing.fail_open_ended', { service });
  }

  /** Everybody has its whole weight again, until the next pick asks which part of it counts. */
  private startSlowly(slowStart: SlowStart): void {
    for (const candidate of this.roster.candidates) candidate.weight = candidate.instance.weight;
    slowStart.update(this.plans.for({}, undefined).fit);
  }

  /** Weights that grow are told to strategies that go by them; the others are passed over by the chooser. */
  private followWarming(slowStart: SlowStart): void {
    if (this.strategy.isWeighted !== true) return;
    const now = this.clock.now();
    for (const candidate of this.roster.candidates) {
      const { weight, instanceId } = candidate.instance;
      candidate.weight = weight * slowStart.factorOf(instanceId, now);
    }
    this.plans.renew();
  }

  /** Calls with the same key fall into the same pool, as long as its share stays. */
  private draw(key: string | undefined): number {
    return key === undefined ? this.draws.next() : unitHash(key);
  }

  /**
   * Others who share the loads may have seen lists that did not come here: they forgot who is on the list here, and the rows
   * of those are somebody else's by now.
   */
  private readmit(): boolean {
    const { forgotten } = this.loads;
    if (forgotten === this.forgotten) return false;
    this.forgotten = forgotten;
    return this.roster.readmit();
  }

  private admit(instance: ServiceInstance): Candidate {
    const known = { instance, load: this.loads.of(instance.instanceId), weight: instance.weight };
    return this.strategy.admit?.(known) ?? known;
  }
}
