/** Observability: the event bus, and the log, the metrics, the journal and the call figures derived from its events. */
export { type CallEdge, CallFigures, type EdgeRate, type ServiceDemand, STEP_MS } from './call-figures.js';
export {
  DEFAULT_SUBSCRIPTION_CAPACITY,
  EventBus,
  type EventBusDeps,
  type EventOf,
  type SubscribeOptions,
} from './event-bus.js';
export { lineOf, type EventLine, type LogLevel, withIds } from './event-line.js';
export { EVENT_LOGGER_OPTIONS, EventLogger, type EventLoggerOptions, type LoggerPort } from './event-logger.js';
export { Fleet } from './fleet.js';
export { type InstanceTotal } from './instance-figures.js';
export { Journal, JOURNAL_OPTIONS, type JournalOptions, type JournalWriter, momentId } from './journal.js';
export {
  DEFAULT_DURATION_BUCKETS,
  DEFAULT_METRICS_PREFIX,
  DiscoveryMetrics,
  type DiscoveryMetricsOptions,
  METRICS_OPTIONS,
} from './metrics.js';
export { OpenTelemetryTracer, type OpenTelemetryTracerDeps } from './open-telemetry-tracer.js';
export { type PartFigures, SplitFigures } from './split-figures.js';
export { type MetricsSource } from './registry-gauges.js';
export {
  describeTopology,
  type Topology,
  type TopologyEdge,
  type TopologyFault,
  type TopologyNode,
} from './topology.js';
