import { type Random } from '../../common/index.js';
import { type ResolvedRetryOptions } from './retry-options.js';

/** The part of the retry options that a backoff goes by. */
export type BackoffOptions = Pick<ResolvedRetryOptions, 'baseDelay' | 'maxDelay' | 'jitter'>;

/**
 * The waits of one call: exponential, with jitter, never above `maxDelay`. They grow with the number of waits, not of
 * attempts: a call that went straight to another instance has not waited yet.
 *
 * The kinds of jitter are those of Marc Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015).
 */
export class Backoff {
  /** The upper bound of the next wait; with decorrelated jitter, the previous wait. */
  private reach: number;

  constructor(
    private readonly options: BackoffOptions,
    private readonly random: Random,
  ) {
    this.reach = options.baseDelay;
  }

  /** Milliseconds of the next wait. */
  next(): number {
    const { baseDelay, maxDelay, jitter } = this.options;
    if (jitter === 'decorrelated') {
      this.reach = Math.min(maxDelay, baseDelay + this.random() * (3 * this.reach - baseDelay));
      return this.reach;
    }
    const ceiling = this.reach;
    this.reach = Math.min(maxDelay, 2 * ceiling);
    switch (jitter) {
      case 'full':
        return this.random() * ceiling;
      case 'equal':
        return ceiling / 2 + (this.random() * ceiling) / 2;
      case 'none':
        return ceiling;
    }
  }

  /** Starts over with the shortest wait. */
  reset(): void {
    this.reach = this.options.baseDelay;
  }
}
