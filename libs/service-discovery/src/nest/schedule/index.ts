/** The library's timers in the app's own scheduler, so that they can be listed and stopped there. */
export { NoCronError, parseCron } from './cron-expression.js';
export { findSchedulerRegistry } from './find-scheduler-registry.js';
export { ListedTimers } from './listed-timers.js';
