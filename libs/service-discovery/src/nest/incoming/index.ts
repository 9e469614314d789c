/** What a request carries to the work that answers it, such as its deadline, which the calls that it makes take over. */
export { type DeadlineCheck, DeadlineTrust } from './deadline-trust.js';
export { currentDeadline, currentHeaders, currentIds, currentRequestId } from './incoming-context.js';
export { type RequestIdOptions } from './passed-on.js';
export { IncomingHook } from './incoming-hook.js';
