import { ChaosPolicy, type ChaosPolicyDeps, type ResolvedChaosOptions } from './chaos-policy.js';
import { type Next, type PolicyCall, type Stage, type StageDescription } from '../pipeline/stage.js';

/** Makes attempts go wrong on purpose. */
export class ChaosStage implements Stage {
  readonly description: StageDescription;
  private readonly chaos: ChaosPolicy;

  constructor(options: ResolvedChaosOptions, deps: ChaosPolicyDeps) {
    this.chaos = new ChaosPolicy(options, deps);
    this.description = {
      stage: 'chaos',
      purpose: 'Makes attempts go wrong on purpose. Innermost, so that all other stages take it for the function.',
      options: plainOptions(options),
    };
  }

  async run<T>(call: PolicyCall, next: Next<T>): Promise<T> {
    const { signal, progress } = call;
    signal.throwIfAborted();
    let passedOn = false;
    const passOn = (): Promise<T> => {
      passedOn = true;
      return next(call);
    };
    try {
      return await this.chaos.execute(passOn, signal);
    } finally {
      // What it does in place of the function is an attempt too.
      if (!passedOn) progress.attempts++;
    }
  }
}

/** Without what has no place in a description: errors, answers and functions. */
function plainOptions({
  faultRate,
  latencyRate,
  latency,
  outcomeRate,
}: ResolvedChaosOptions): StageDescription['options'] {
  return { faultRate, latencyRate, latency, outcomeRate };
}
