import { type ServiceInstance } from '../../model/index.js';
import { type CheckPlan } from '../check-plan.js';
import { type QueuedCheck } from './check-places.js';
import { type Recurring } from './check-timetable.js';
import { ResultHistory, type FlappingOptions } from './flapping.js';
import { type ProbeResult } from '../probes/probe.js';
import { initialState, isCounted, nextState, type ThresholdState } from './status-thresholds.js';

/** One checked registration; a new generation of an instance is a new target. */
export class CheckTarget implements Recurring, QueuedCheck {
  endsAt = 0;
  queuedFor = 0;
  position = -1;
  everyMs = 0;
  putOffMs = 0;
  putOff = false;
  state: ThresholdState;
  private readonly history: ResultHistory;
  /** True until its first check has ended. */
  isNew = true;
  isSlow = false;
  /** When its last check began, by `Clock.now()`. */
  checkedAt = Number.NEGATIVE_INFINITY;
  /** Cancels the check under way. */
  cancel: AbortController | undefined = undefined;

  constructor(
    public instance: ServiceInstance,
    public plan: CheckPlan,
    private readonly flapping: FlappingOptions | undefined,
  ) {
    this.state = initialState(instance.healthStatus);
    this.history = new ResultHistory(instance.health?.flapping ?? false, flapping);
  }

  get isFlapping(): boolean {
    return this.history.isFlapping;
  }

  /** Counts a result if it is conclusive. A flapping instance needs more successes. */
  count(result: ProbeResult): void {
    const { rise, fall, fallOf } = this.plan.schedule;
    if (!isCounted(result, this.plan.schedule)) return;
    if (this.flapping) this.history.note(result.passed, this.flapping);
    const factor = this.isFlapping ? (this.flapping?.riseFactor ?? 1) : 1;
    this.state = nextState(this.state, result, { rise: rise * factor, fall, fallOf });
  }

  /** Takes over a changed registration; counts continue even if the plan is another one. */
  update(instance: ServiceInstance, plan: CheckPlan): void {
    this.instance = instance;
    this.plan = plan;
    // Another process reported a different health, so counts towards the old one are void.
    if (this.state.status !== instance.healthStatus) this.state = initialState(instance.healthStatus);
  }
}
