/** Options of calls: their types, how layers are merged, and the resolved settings. */
export { type CallSettings, type CallTimes, toSettings } from './call-settings.js';
export { type CommunicatorOptions, DEFAULT_COMMUNICATOR_OPTIONS } from './communicator-options.js';
export { mergeOptions, overlayGroup } from './merge-options.js';
export { type OptionsContext, TIMEOUT_RANGE, validateCommunicatorOptions } from './validate-options.js';
