import { type Duration, msOf } from '../common/index.js';

interface Times {
  readonly timeout?: Duration;
  readonly attemptTimeout?: Duration;
}

/**
 * What a preset or a pattern says, where a shorter timeout is laid over it: its time for an attempt gives way, since
 * nobody has asked for both.
 */
export function givingWay<Base extends Times>(base: Base, { timeout, attemptTimeout }: Times): Base {
  const isContradicted = attemptTimeout === undefined && msOf(base.attemptTimeout) > msOf(timeout);
  return isContradicted ? { ...base, attemptTimeout: undefined } : base;
}
