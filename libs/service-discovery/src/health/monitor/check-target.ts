import { type ServiceInstance } from '../../model/index.js';
import { type CheckPlan } from '../check-plan.js';
import { type ProbeResult } from '../probes/probe.js';
import { type Recurring } from './check-timetable.js';
import {
  type FlappingOptions,
  initialState,
  isCounted,
  nextState,
  ResultHistory,
  type ThresholdState,
} from './status-thresholds.js';

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

/** Something that occupies a slot while it is checked. */
export interface QueuedCheck {
  /** When it was due; the longest-waiting entry goes first. */
  readonly endsAt: number;
  /** Whether its last check was slow. */
  readonly isSlow: boolean;
}

/**
 * Limits concurrent checks; the longest-waiting entry goes first. At most half of the slots go to entries that were
 * slow last time, so that thousands of checks that hang until their timeout cannot starve the others.
 */
export class CheckPlaces<T extends QueuedCheck> {
  private readonly swift = new Set<T>();
  private readonly slow = new Set<T>();
  private readonly running = new Set<Promise<void>>();
  private slowRunning = 0;
  private readonly slowLimit: number;

  /**
   * @param limit number of slots
   * @param check never rejects; the slot is freed when it resolves
   */
  constructor(
    private readonly limit: number,
    private readonly check: (candidate: T) => Promise<void>,
  ) {
    this.slowLimit = Math.ceil(limit / 2);
  }

  /** Queues an entry for a check. */
  enter(candidate: T): void {
    (candidate.isSlow ? this.slow : this.swift).add(candidate);
    this.admit();
  }

  /** Removes an entry from the queue; a check under way continues. */
  withdraw(candidate: T): void {
    this.swift.delete(candidate);
    this.slow.delete(candidate);
  }

  /** Resolves when all checks under way have ended. */
  async idle(): Promise<void> {
    await Promise.all(this.running);
  }

  private admit(): void {
    for (let next = this.next(); next; next = this.next()) this.run(next);
  }

  private next(): T | undefined {
    if (this.running.size >= this.limit) return undefined;
    const [swift] = this.swift;
    const [slow] = this.slowRunning < this.slowLimit ? this.slow : [];
    return swift && slow ? (slow.endsAt < swift.endsAt ? slow : swift) : (swift ?? slow);
  }

  private run(candidate: T): void {
    this.withdraw(candidate);
    // Read once: `isSlow` may change during the check, and the slot must be returned to the share that it was taken
    // from.
    const share = candidate.isSlow ? 1 : 0;
    this.slowRunning += share;
    const run = this.check(candidate).finally(() => {
      this.running.delete(run);
      this.slowRunning -= share;
      this.admit();
    });
    this.running.add(run);
  }
}
