import { type Cancellation } from '../../common/index.js';
import { type CallSettings } from '../options/index.js';
import { Attempt, type Sender } from './attempt.js';
import { type Call } from './call.js';
import { describeAttempt } from './describe-attempt.js';
import { pickTarget } from './pick-target.js';
import { type CallStageDescription } from './stage.js';

/** Makes one attempt after the other of a call, as often as it is asked to. */
export interface Attempts {
  describe(): CallStageDescription[];
  /**
   * An attempt that has ended, and that nobody has let go of.
   * @throws what ends the call without an attempt: that nobody can take it
   */
  run<T>(call: Call<T>): Promise<Attempt<T>>;
}

/** Attempts of which each picks an instance and sends one request. */
export class SingleAttempts implements Attempts {
  constructor(
    private readonly settings: CallSettings,
    private readonly sender: Sender,
  ) {}

  describe(): CallStageDescription[] {
    return describeAttempt(this.settings);
  }

  /**
   * @param parent ends the attempt; the call's own, unless there is another one beside it
   * @param isHedge whether it is made beside another one that goes on
   */
  run<T>(call: Call<T>, parent: Cancellation = call.scope, isHedge = false): Promise<Attempt<T>> {
    const now = call.deps.clock.now();
    return new Attempt(call, pickTarget(call, isHedge, now), parent, now).run(this.sender);
  }
}
