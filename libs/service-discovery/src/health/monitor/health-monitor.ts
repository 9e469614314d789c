import { systemClock, systemRandom, type Clock, type Random } from '../../common/index.js';
import {
  keyOf,
  SILENT,
  type Change,
  type EventSink,
  type HealthDetail,
  type InstanceKey,
  type RegistrySnapshot,
  type ServiceInstance,
} from '../../model/index.js';
import { type ServiceRegistry } from '../../registry/index.js';
import { type CheckPlan, type CheckPlanner } from '../check-plan.js';
import { type CheckShare } from './check-share.js';
import { CheckPlaces, CheckTarget } from './check-target.js';
import {
  CheckTimetable,
  cronWindow,
  type FreshWindow,
  intervalOf,
  mayRest,
  nextWindow,
  SOON,
  soonAfter,
  WITHIN_HALF,
  WITHIN_INTERVAL,
} from './check-timetable.js';
import { type ResolvedHealthCheckOptions } from '../options.js';
import { failureReason, type ProbeResult } from '../probes/probe.js';
import { runProbe } from './run-probe.js';

/** The part of `ServiceRegistry` that the monitor uses. */
export type MonitoredRegistry = Pick<ServiceRegistry, 'snapshot' | 'onChange' | 'setStatus' | 'passedCheck'>;

export interface HealthMonitorDeps {
  /** @default the machine's clock */
  clock?: Clock;
  /** @default the runtime's generator */
  random?: Random;
  /** Receives `health.checked` for each check. The registry reports changes of status. @default none */
  events?: EventSink;
  /**
   * Sets the timers that start checks, so that a scheduler can list and stop them; a timer that never fires stops all
   * checks. Timeouts of checks always use the clock.
   * @default the clock's
   */
  setTimer?: Clock['setTimer'];
  /** Which instances this process checks if several processes share the work. @default all */
  share?: CheckShare;
  /**
   * How long this process has not called an instance, in milliseconds; infinite: never called. An instance without
   * calls for an interval may be checked less often.
   * @default 0: in constant use
   */
  idleMs?: (instance: ServiceInstance) => number;
  /**
   * Subscribes to instances that a call failed to connect to, so that they are checked at once.
   * @returns unsubscribes
   * @default checks come only in their turn
   */
  onUnreachable?: (listener: (key: InstanceKey) => void) => () => void;
}

/**
 * Checks every instance of a registry, or this process's share, and reports results to the registry.
 *
 * A newly registered instance is checked within a second unless thousands register at once. Instances found at startup
 * are spread over the interval, and jitter moves each check, so checks neither come in bursts (`CheckTimetable`) nor
 * synchronize with other checkers. Checks of one instance never overlap. Instances in maintenance or draining are
 * checked as well, so that an operator sees whether one can return.
 */
export class HealthMonitor {
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly events: EventSink;
  private readonly share: CheckShare | undefined;
  private readonly idleMs: (instance: ServiceInstance) => number;
  private readonly targets = new Map<string, CheckTarget>();
  private readonly timetable: CheckTimetable<CheckTarget>;
  private readonly places: CheckPlaces<CheckTarget>;
  private readonly onUnreachable: NonNullable<HealthMonitorDeps['onUnreachable']>;
  private readonly stops: (() => void)[] = [];
  private closed = false;

  /**
   * @param planner how an instance is checked, such as `planChecks(options)`
   * @param options as returned by `resolveHealthCheckOptions`
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
    this.idleMs = deps.idleMs ?? (() => 0);
    this.onUnreachable = deps.onUnreachable ?? (() => () => undefined);
    this.places = new CheckPlaces(options.concurrency, (target) => this.check(target));
    this.timetable = new CheckTimetable({
      clock,
      random,
      setTimer: deps.setTimer ?? ((fn, ms, timer) => clock.setTimer(fn, ms, timer)),
      due: (target) => this.turnOf(target),
    });
  }

  /** How many processes share the checks, as far as is known; undefined: this one does not share them. */
  get processes(): number | undefined {
    return this.share?.size;
  }

  /** Starts checking. Does nothing if checks are disabled, on a second call, or after `close()`. */
  start(): void {
    if (!this.options.enabled || this.stops.length > 0 || this.closed) return;
    this.stops.push(this.registry.onChange((snapshot, _previous, change) => this.follow(snapshot, change)));
    this.stops.push(this.onUnreachable((key) => this.checkSoon(key)));
    this.share?.start(() => this.takeShare());
    this.reconcile(this.registry.snapshot);
  }

  /**
   * Stops for good: once this resolves, no timers or checks are left and nothing more is reported. Reported results
   * remain.
   */
  async close(): Promise<void> {
    this.closed = true;
    for (const stop of this.stops) stop();
    for (const key of [...this.targets.keys()]) this.drop(key);
    await Promise.all([this.places.idle(), this.share?.close()]);
    this.planner.close?.();
  }

  /**
   * Checks an instance out of turn because it may be gone. Ignored if this process does not check the instance, is
   * checking it right now, or already found it unhealthy. Checks of an instance stay at least the changing interval
   * apart.
   */
  checkSoon(key: InstanceKey): void {
    const target = this.targets.get(keyOf(key));
    if (!target || target.state.status === 'unhealthy' || !this.timetable.isWaiting(target)) return;
    const now = this.clock.now();
    const window = soonAfter(target.plan.schedule, now - target.checkedAt);
    if (now + window.fromMs < target.endsAt) this.timetable.plan(target, target.everyMs, window);
  }

  /** The longest time between two checks of an instance that passes them, before jitter. */
  longestIntervalMs(instance: ServiceInstance): number {
    const { intervalMs, idleIntervalMs } = this.planOf(instance).schedule;
    return Math.max(intervalMs, idleIntervalMs);
  }

  private follow(snapshot: RegistrySnapshot, change: Change | null): void {
    if (change?.type === 'reset') this.reconcile(snapshot);
    if (change?.type === 'put') this.take(change.instance, SOON);
    if (change?.type === 'remove') this.drop(keyOf(change.key));
  }

  /**
   * Instances taken over from another process are checked within an interval, since their last check time is unknown.
   */
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

  private take(instance: ServiceInstance, within: FreshWindow): void {
    const key = keyOf(instance);
    if (this.share?.has(instance) === false) {
      this.drop(key);
      return;
    }
    const plan = this.planOf(instance);
    const known = this.targets.get(key);
    if (known?.instance.generation === instance.generation) {
      const { schedule } = known.plan;
      known.update(instance, plan);
      if (plan.schedule !== schedule) this.reschedule(known);
      return;
    }
    this.drop(key);
    const target = new CheckTarget(instance, plan, this.options.flapping);
    this.targets.set(key, target);
    this.planFresh(target, plan.schedule.intervalMs, within);
  }

  /** Applies a changed interval now rather than after the next check. */
  private reschedule(target: CheckTarget): void {
    const intervalMs = intervalOf(target.plan.schedule, target.state);
    if (intervalMs === target.everyMs || !this.timetable.isWaiting(target)) return;
    this.planFresh(target, intervalMs, WITHIN_INTERVAL);
  }

  /** A newly registered instance is checked without waiting for a cron time. */
  private planFresh(target: CheckTarget, intervalMs: number, within: FreshWindow): void {
    const byCron = within === SOON ? undefined : cronWindow(target.plan.schedule, intervalMs, this.clock.epoch());
    this.timetable.plan(target, intervalMs, byCron ?? within(intervalMs));
  }

  private drop(key: string): void {
    const target = this.targets.get(key);
    if (!target) return;
    this.targets.delete(key);
    this.timetable.forget(target);
    this.places.withdraw(target);
    target.cancel?.abort(new Error('the check was cancelled'));
  }

  /** Never rejects. */
  private async check(target: CheckTarget): Promise<void> {
    const cancel = new AbortController();
    target.cancel = cancel;
    const startedAt = this.clock.now();
    target.checkedAt = startedAt;
    const { probe, schedule } = target.plan;
    const limits = { clock: this.clock, timeoutMs: schedule.timeoutMs, signal: cancel.signal };
    const result = await runProbe(probe, target.instance, limits);
    if (cancel.signal.aborted) return;
    const tookMs = this.clock.now() - startedAt;
    target.isSlow = tookMs >= schedule.timeoutMs / 2;
    await this.report(target, result, tookMs);
    if (this.targets.get(keyOf(target.instance)) !== target) return;
    target.cancel = undefined;
    this.planNext(target, startedAt);
  }

  private async report(target: CheckTarget, result: ProbeResult, tookMs: number): Promise<void> {
    const { serviceName, instanceId } = target.instance;
    const key: InstanceKey = { serviceName, instanceId };
    const { passed, skipped, misconfigured, reason, statusCode, data } = result;
    const latencyMs = Math.round(tookMs * 10) / 10;
    target.count(result);
    if (passed && !skipped) this.registry.passedCheck(target.instance);
    const flapping = target.isFlapping || undefined;
    const detail: HealthDetail = { checkedAt: this.clock.epoch(), reason, latencyMs, statusCode, data, flapping };
    this.events.emit('health.checked', { key, passed, skipped, misconfigured, detail });
    try {
      await this.registry.setStatus(key, target.state.status, detail);
    } catch {
      // The registry reports its outage itself; the next check reports the status again.
    }
  }

  private turnOf(target: CheckTarget): void {
    const { plan, state, instance } = target;
    const sinceMs = this.clock.now() - target.checkedAt;
    const isIdle = (): boolean => this.idleMs(instance) >= plan.schedule.intervalMs;
    if (mayRest(plan.schedule, state, sinceMs, isIdle)) this.planNext(target, this.clock.now());
    else this.places.enter(target);
  }

  /** @param from when its last turn began */
  private planNext(target: CheckTarget, from: number): void {
    const { isNew, plan, state } = target;
    target.isNew = false;
    const intervalMs = intervalOf(plan.schedule, state);
    const sinceMs = this.clock.now() - from;
    const byInterval = isNew ? WITHIN_INTERVAL(intervalMs) : nextWindow(intervalMs, plan.schedule.jitter, sinceMs);
    const byCron = cronWindow(plan.schedule, intervalMs, this.clock.epoch(), sinceMs);
    this.timetable.plan(target, intervalMs, byCron ?? byInterval);
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
