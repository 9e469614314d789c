/** The deadline that a request came with, handed on to the calls that answering it makes. */
export { currentDeadline } from './current-deadline.js';
export { DeadlineHook } from './deadline-hook.js';
export { type DeadlineCheck, DeadlineTrust } from './deadline-trust.js';
