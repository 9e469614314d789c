/** The options of calls: what they are, how layers of them are merged, what a call goes by in the end. */
export { type CallSettings, type CallTimes, toSettings } from './call-settings.js';
export { type CommunicatorOptions, DEFAULT_COMMUNICATOR_OPTIONS } from './communicator-options.js';
export { mergeOptions, overlayGroup } from './merge-options.js';
export { type OptionsContext, TIMEOUT_RANGE, validateCommunicatorOptions } from './validate-options.js';
