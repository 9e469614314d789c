import { type ServiceInstance } from '../../model/index.js';
import { type CheckPlan } from '../check-plan.js';
import { type Candidate } from './check-places.js';
import { type Recurring } from './check-timetable.js';
import { initialState, type ThresholdState } from './status-thresholds.js';

/** One registration that is checked; a new generation of an instance is a new target. */
export class CheckTarget implements Recurring, Candidate {
  endsAt = 0;
  queuedFor = 0;
  position = -1;
  everyMs = 0;
  putOff = false;
  state: ThresholdState;
  /** Whether no check of it has ended yet. */
  isNew = true;
  isSlow = false;
  /** Ends the check under way. */
  cancel: AbortController | undefined = undefined;

  constructor(
    public instance: ServiceInstance,
    public plan: CheckPlan,
  ) {
    this.state = initialState(instance.healthStatus);
  }

  /** Takes over what changed about the registration; what was counted holds, whatever plan it is checked by. */
  update(instance: ServiceInstance, plan: CheckPlan): void {
    this.instance = instance;
    this.plan = plan;
    // Somebody else has reported another health: what was counted towards the old one says nothing about it.
    if (this.state.status !== instance.healthStatus) this.state = initialState(instance.healthStatus);
  }
}
