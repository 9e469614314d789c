import { Coalescer } from './coalescer.js';
import { type Next, type PolicyCall, type Stage, type StageDescription } from '../pipeline/stage.js';

/** How a call ended, with what the stages inside noted of it. */
type Landed<T> = { readonly attempts: number } & ({ readonly value: T } | { readonly error: unknown });

/** Makes one call of those with equal keys that overlap. */
export class CoalescingStage implements Stage {
  readonly description: StageDescription = {
    stage: 'coalescing',
    purpose:
      'Shares one call among all who ask for the same at the same time. Outside of the limits and the retry, since those ' +
      'who wait take up nothing; inside of the last good answer, which each of them may fall back to.',
    options: {},
  };
  private readonly coalescer = new Coalescer();

  async run<T>(call: PolicyCall, next: Next<T>): Promise<T> {
    const { key, signal, progress } = call;
    if (key === undefined) return next(call);
    const landed = await this.coalescer.execute(key, (shared) => fly({ ...call, signal: shared }, next), signal);
    progress.attempts = landed.attempts;
    if ('error' in landed) throw landed.error;
    return landed.value;
  }
}

/** An error comes as a result, so that all who share it are told of the attempts that were made for them. */
async function fly<T>(call: PolicyCall, next: Next<T>): Promise<Landed<T>> {
  const { progress } = call;
  try {
    const value = await next(call);
    return { value, attempts: progress.attempts };
  } catch (error) {
    return { error, attempts: progress.attempts };
  }
}
