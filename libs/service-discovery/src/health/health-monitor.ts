import { systemClock, systemRandom, type Clock, type Random, type Timer } from '../common/index.js';
import {
  keyOf,
  SILENT,
  type Change,
  type EventSink,
  type HealthDetail,
  type InstanceKey,
  type RegistrySnapshot,
  type ServiceInstance,
} from '../model/index.js';
import { type ServiceRegistry } from '../registry/index.js';
import { type CheckPlan, type CheckPlanner } from './check-plan.js';
import { type CheckShare } from './check-share.js';
import { type ResolvedHealthCheckOptions } from './options.js';
import { failureReason } from './probes/probe-failure.js';
import { type ProbeResult } from './probes/probe.js';
import { runProbe } from './run-probe.js';
import { initialState, nextState, type ThresholdState } from './status-thresholds.js';

/** What the monitor needs of a `ServiceRegistry`. */
export type MonitoredRegistry = Pick<ServiceRegistry, 'snapshot' | 'onChange' | 'setStatus'>;

export interface HealthMonitorDeps {
  /** @default the machine's clock */
  clock?: Clock;
  /** @default the runtime's generator */
  random?: Random;
  /** Told of each check: `health.checked`. Changes of status are the registry's to tell of. @default nobody listens */
  events?: EventSink;
  /**
   * Sets the timers that checks wait for, so that a scheduler can list and stop them; a timer that never fires stops
   * the checks of its instance. The timeouts of checks are the clock's in any case.
   * @default the clock's
   */
  setTimer?: Clock['setTimer'];
  /** Which instances this process checks, where several processes share them. @default all */
  share?: CheckShare;
}

/** One registration that is checked; a new generation of an instance is a new target. */
interface Target {
  instance: ServiceInstance;
  plan: CheckPlan;
  state: ThresholdState;
  /** Whether no check of it has ended yet. */
  isNew: boolean;
  /** Runs until its next check is due. */
  timer?: Timer;
  /** Ends the check under way. */
  cancel?: AbortController;
}

/** How long the first check of a new target waits at most, given the time between two. */
type FirstWait = (intervalMs: number) => number;
const SOON: FirstWait = (intervalMs) => Math.min(1_000, intervalMs / 10);
const WITHIN_HALF: FirstWait = (intervalMs) => intervalMs / 2;
const WITHIN_INTERVAL: FirstWait = (intervalMs) => intervalMs;

/** A timer that fires later than this shows that the process stood still. */
const STALL_MS = 1_000;

/**
 * Checks every instance of a registry, or the share of this process, and tells the registry what it found.
 *
 * An instance that registers is checked within a second; those that were there before are spread over the interval, and
 * each check moves by up to a tenth of it, so that checks neither come in bursts nor fall into step with other
 * checkers. Checks of one instance never overlap, whatever they take. Instances in maintenance or draining are checked
 * like others, so that an operator sees whether one can come back.
 */
export class HealthMonitor {
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly events: EventSink;
  private readonly setTimer: Clock['setTimer'];
  private readonly share: CheckShare | undefined;
  private readonly targets = new Map<string, Target>();
  /** Due, but there are as many checks as may run; the longest waiting first. */
  private readonly waiting = new Set<Target>();
  private readonly running = new Set<Promise<void>>();
  private unfollow: (() => void) | undefined;
  private closed = false;

  /**
   * @param planner how an instance is checked, such as `planChecks(options)`
   * @param options what `resolveHealthCheckOptions` made of the settings
   */
  constructor(
    private readonly registry: MonitoredRegistry,
    private readonly planner: CheckPlanner,
    private readonly options: ResolvedHealthCheckOptions,
    deps: HealthMonitorDeps = {},
  ) {
    const { clock = systemClock, random = systemRandom, events = SILENT } = deps;
    this.clock = clock;
    this.random = random;
    this.events = events;
    this.share = deps.share;
    this.setTimer = deps.setTimer ?? ((fn, ms, timer) => clock.setTimer(fn, ms, timer));
  }

  /** Begins to check. Does nothing where checks are not enabled, a second time, or after `close()`. */
  start(): void {
    if (!this.options.enabled || this.unfollow || this.closed) return;
    this.unfollow = this.registry.onChange((snapshot, _previous, change) => this.follow(snapshot, change));
    this.share?.start(() => this.takeShare());
    this.reconcile(this.registry.snapshot);
  }

  /**
   * Stops, for good: when this resolves, no timer and no check is left, and nothing is reported any more. What the
   * registry was told stays.
   */
  async close(): Promise<void> {
    this.closed = true;
    this.unfollow?.();
    for (const key of [...this.targets.keys()]) this.drop(key);
    await Promise.all([...this.running, this.share?.close()]);
  }

  private follow(snapshot: RegistrySnapshot, change: Change | null): void {
    if (change?.type === 'reset') this.reconcile(snapshot);
    if (change?.type === 'put') this.take(change.instance, SOON);
    if (change?.type === 'remove') this.drop(keyOf(change.key));
  }

  /** What another process checked until now waits less than an interval: nobody knows when it was checked last. */
  private takeShare(): void {
    if (!this.closed) this.reconcile(this.registry.snapshot, WITHIN_HALF);
  }

  private reconcile({ services }: RegistrySnapshot, within = WITHIN_INTERVAL): void {
    const gone = new Set(this.targets.keys());
    for (const instance of [...services.values()].flat()) {
      gone.delete(keyOf(instance));
      this.take(instance, within);
    }
    for (const key of gone) this.drop(key);
  }

  private take(instance: ServiceInstance, within: FirstWait): void {
    const key = keyOf(instance);
    if (this.share?.has(instance) === false) {
      this.drop(key);
      return;
    }
    const known = this.targets.get(key);
    if (known?.instance.generation === instance.generation) {
      known.instance = instance;
      known.plan = this.planOf(instance);
      // Somebody else has reported another health: what was counted towards the old one says nothing about it.
      if (known.state.status !== instance.healthStatus) known.state = initialState(instance.healthStatus);
      return;
    }
    this.drop(key);
    const plan = this.planOf(instance);
    const target: Target = { instance, plan, state: initialState(instance.healthStatus), isNew: true };
    this.targets.set(key, target);
    this.wait(target, this.random() * within(plan.schedule.intervalMs));
  }

  private drop(key: string): void {
    const target = this.targets.get(key);
    if (!target) return;
    this.targets.delete(key);
    this.waiting.delete(target);
    target.timer?.cancel();
    target.cancel?.abort(new Error('the check is not wanted any more'));
  }

  private wait(target: Target, ms: number, deferred = false): void {
    const dueAt = this.clock.now() + ms;
    target.timer = this.setTimer(() => this.due(target, dueAt, deferred), Math.ceil(ms), { keepAlive: false });
  }

  /**
   * When the process stood still, everything is due at once, and what is checked may have stood still with it: the checks
   * are spread over an interval anew. Once only, so that a process that is always late checks all the same.
   */
  private due(target: Target, dueAt: number, deferred: boolean): void {
    if (!deferred && this.clock.now() - dueAt > STALL_MS) {
      this.wait(target, this.random() * target.plan.schedule.intervalMs, true);
      return;
    }
    this.waiting.add(target);
    this.admit();
  }

  private admit(): void {
    for (const target of this.waiting) {
      if (this.running.size >= this.options.concurrency) return;
      this.waiting.delete(target);
      const check = this.check(target).finally(() => {
        this.running.delete(check);
        this.admit();
      });
      this.running.add(check);
    }
  }

  /** Never rejects. */
  private async check(target: Target): Promise<void> {
    const cancel = new AbortController();
    target.cancel = cancel;
    const startedAt = this.clock.now();
    const { probe, schedule } = target.plan;
    const limits = { clock: this.clock, timeoutMs: schedule.timeoutMs, signal: cancel.signal };
    const result = await runProbe(probe, target.instance, limits);
    if (cancel.signal.aborted) return;
    await this.report(target, result, this.clock.now() - startedAt);
    if (this.targets.get(keyOf(target.instance)) !== target) return;
    target.cancel = undefined;
    this.wait(target, this.pauseMs(target, startedAt));
  }

  private async report(target: Target, result: ProbeResult, tookMs: number): Promise<void> {
    const { serviceName, instanceId } = target.instance;
    const key: InstanceKey = { serviceName, instanceId };
    const { passed, reason, statusCode, data } = result;
    const latencyMs = Math.round(tookMs * 10) / 10;
    const detail: HealthDetail = { checkedAt: this.clock.epoch(), reason, latencyMs, statusCode, data };
    target.state = nextState(target.state, passed, target.plan.schedule);
    this.events.emit('health.checked', { key, passed, detail });
    try {
      await this.registry.setStatus(key, target.state.status, detail);
    } catch {
      // The registry itself tells of its outage, and the next check brings the status again.
    }
  }

  /** The second check comes at any time within the interval: instances that registered together part here. */
  private pauseMs(target: Target, startedAt: number): number {
    const { intervalMs, jitter } = target.plan.schedule;
    if (target.isNew) {
      target.isNew = false;
      return this.random() * intervalMs;
    }
    const untilNext = startedAt + intervalMs * (1 - jitter + 2 * jitter * this.random()) - this.clock.now();
    return Math.max(0, untilNext);
  }

  private planOf(instance: ServiceInstance): CheckPlan {
    try {
      return this.planner(instance);
    } catch (error) {
      const result: ProbeResult = { passed: false, reason: failureReason(error) };
      return { schedule: this.options.schedule, probe: { check: () => Promise.resolve(result) } };
    }
  }
}
