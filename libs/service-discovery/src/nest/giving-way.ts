import { type Duration, msOf } from '../common/index.js';

interface Times {
  readonly timeout?: Duration;
  readonly attemptTimeout?: Duration;
}

/**
 * Reduces the attempt timeout of a preset or pattern to a shorter call timeout set over it, since the combination was
 * not requested explicitly.
 */
export function givingWay<Base extends Times>(base: Base, { timeout, attemptTimeout }: Times): Base {
  const isContradicted = attemptTimeout === undefined && msOf(base.attemptTimeout) > msOf(timeout);
  return isContradicted ? { ...base, attemptTimeout: undefined } : base;
}
