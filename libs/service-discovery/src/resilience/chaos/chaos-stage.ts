import { type Cancellation } from '../../common/index.js';
import { type Next, type Stage, type StageDescription } from '../pipeline/stage.js';
import { type ChaosPolicy, type ResolvedChaosOptions } from './chaos-policy.js';

interface DisturbedAttempt {
  readonly scope: Cancellation;
  /** Counts an attempt that chaos answers in place of the function. */
  count(): void;
}

/** Injects faults, latency and outcomes into attempts. */
export class ChaosStage<Context extends DisturbedAttempt> implements Stage<Context> {
  constructor(
    private readonly options: ResolvedChaosOptions,
    private readonly chaos: ChaosPolicy,
  ) {}

  get description(): StageDescription {
    return {
      stage: 'chaos',
      purpose:
        'Injects faults, latency and outcomes. Innermost, so that to all other stages they look like those of the function.',
      options: plainOptions(this.options),
    };
  }

  async run<T>(attempt: Context, next: Next<Context, T>): Promise<T> {
    let passedOn = false;
    const passOn = (): Promise<T> => {
      passedOn = true;
      return next.run(attempt);
    };
    try {
      return await this.chaos.execute(passOn, attempt.scope.signal);
    } finally {
      if (!passedOn) attempt.count();
    }
  }
}

/** Leaves out errors, answers and functions. */
function plainOptions({
  faultRate,
  latencyRate,
  latency,
  outcomeRate,
}: ResolvedChaosOptions): StageDescription['options'] {
  return { faultRate, latencyRate, latency, outcomeRate };
}
