/** What every layer stands on: time, aborts, randomness, durations, outcomes, errors. Imports nothing. */
export * from './abort.js';
export * from './call-key.js';
export * from './cancellation.js';
export * from './channel.js';
export * from './clock.js';
export * from './duration.js';
export * from './end-queue.js';
export * from './errors.js';
export * from './list-difference.js';
export * from './outcome.js';
export * from './random.js';
export * from './reconnect-delay.js';
export * from './snake-case.js';
export * from './suggest.js';
export * from './timer-wheel.js';
export * from './validation.js';
export * from './without-undefined.js';
