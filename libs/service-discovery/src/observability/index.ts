/** Observability: the event bus, and the log and the metrics derived from its events. */
export {
  DEFAULT_SUBSCRIPTION_CAPACITY,
  EventBus,
  type EventBusDeps,
  type EventOf,
  type SubscribeOptions,
} from './event-bus.js';
export { lineOf, type EventLine, type LogLevel } from './event-line.js';
export { EVENT_LOGGER_OPTIONS, EventLogger, type EventLoggerOptions, type LoggerPort } from './event-logger.js';
export {
  DEFAULT_DURATION_BUCKETS,
  DEFAULT_METRICS_PREFIX,
  DiscoveryMetrics,
  type DiscoveryMetricsOptions,
  validateDiscoveryMetricsOptions,
} from './metrics.js';
export { type MetricsSource } from './registry-gauges.js';
