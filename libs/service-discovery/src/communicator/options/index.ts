/** Options of calls: their types, how layers are merged, and the resolved settings. */
export { type CallSettings, type CallTimes, toSettings } from './call-settings.js';
export { COMMUNICATOR_OPTIONS, type CommunicatorOptions } from './communicator-options.js';
export { mergeOptions, overlayGroup } from './merge-options.js';
export { type OptionsContext, validateCommunicatorOptions } from './validate-options.js';
