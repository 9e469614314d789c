import { type Random } from '../common/index.js';
import { type ResolvedRetryOptions } from './retry.js';

/** The part of the retry options that a backoff goes by. */
export type BackoffOptions = Pick<ResolvedRetryOptions, 'baseDelay' | 'maxDelay' | 'jitter'>;

/**
 * Milliseconds to wait before a retry: exponential, with jitter, never above `maxDelay`. Decorrelated jitter depends on
 * the wait before, which {@link Backoff} remembers; here it counts as the first one.
 * @param wait 1 for the first wait of a call, 2 for the second
 */
function backoffDelay(wait: number, options: BackoffOptions, random: Random): number {
  const { baseDelay, maxDelay, jitter } = options;
  const ceiling = Math.min(maxDelay, baseDelay * 2 ** (Math.max(1, wait) - 1));
  switch (jitter) {
    case 'full':
      return random() * ceiling;
    case 'equal':
      return ceiling / 2 + (random() * ceiling) / 2;
    case 'decorrelated':
      return decorrelated(baseDelay, options, random);
    case 'none':
      return ceiling;
  }
}

function decorrelated(previousMs: number, { baseDelay, maxDelay }: BackoffOptions, random: Random): number {
  return Math.min(maxDelay, baseDelay + random() * (3 * previousMs - baseDelay));
}

/**
 * The waits of one call. It is the waits that make them grow, not the attempts: a call that went from one instance to
 * the next at once has not waited yet.
 *
 * The kinds of jitter are those of Marc Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015).
 */
export class Backoff {
  private waits = 0;
  private previousMs: number;

  constructor(
    private readonly options: BackoffOptions,
    private readonly random: Random,
  ) {
    this.previousMs = options.baseDelay;
  }

  /** Milliseconds of the next wait. */
  next(): number {
    this.waits++;
    if (this.options.jitter !== 'decorrelated') return backoffDelay(this.waits, this.options, this.random);
    this.previousMs = decorrelated(this.previousMs, this.options, this.random);
    return this.previousMs;
  }

  /** Begins anew with the shortest wait. */
  reset(): void {
    this.waits = 0;
    this.previousMs = this.options.baseDelay;
  }
}
