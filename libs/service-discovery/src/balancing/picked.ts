import { type Outcome } from '../common/index.js';
import { type ServiceInstance } from '../model/index.js';
import { type InstanceLoad } from './load-tracker.js';
import { type PickResult } from './load-balancer.js';

/** An instance that was picked. Its call counts as in flight from now on, until it is done. */
export class Picked implements Extract<PickResult, { kind: 'picked' }> {
  readonly kind = 'picked';
  /** Undefined from when it is done. */
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
