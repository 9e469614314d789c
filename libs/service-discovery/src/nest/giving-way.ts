import { type Duration, parseDuration } from '../common/index.js';

interface Times {
  readonly timeout?: Duration;
  readonly attemptTimeout?: Duration;
}

/**
 * What a preset or a pattern says, where a shorter timeout is laid over it: its time for an attempt gives way, since
 * nobody has asked for both.
 */
export function givingWay<Base extends Times>(base: Base, { timeout, attemptTimeout }: Times): Base {
  const [whole, attempt] = [parseDuration(timeout), parseDuration(base.attemptTimeout)];
  if (attemptTimeout !== undefined || !('ms' in whole) || !('ms' in attempt) || attempt.ms <= whole.ms) return base;
  return { ...base, attemptTimeout: undefined };
}
