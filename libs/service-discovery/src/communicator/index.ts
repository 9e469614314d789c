/** Calls to services: by name, in parallel, with a fallback, with settings by tier. */
export {
  type AttemptOutcome,
  type AttemptSpan,
  type CallSpan,
  type CallTracer,
  type TracedAttempt,
  type TracedCall,
} from './call-tracer.js';
export { type PrintTrace } from './call-trace.js';
export { CallPassiveHealth, type EventSource } from './call-passive-health.js';
export { DEADLINE_HEADER } from './call/deadline-header.js';
export { type CommunicatorDependencies } from './call-engine.js';
export { DEADLINE_KEY_HEADER, deadlineKeysOf } from './deadline-key.js';
export { type CommunicatorDefaults, ServiceCommunicator } from './communicator.js';
export { NearNames } from './near-names.js';
export { FallbackFailedError, type FallbackRequest, type FallbackResult, isFallbackWorthy } from './fallback-call.js';
export {
  COMMUNICATOR_OPTIONS,
  type CommunicatorOptions,
  overlayGroup,
  validateCommunicatorOptions,
} from './options/index.js';
export {
  DEFAULT_PARALLEL_CONCURRENCY,
  type ParallelCall,
  type ParallelOptions,
  type ParallelResult,
} from './parallel-calls.js';
export {
  COMMUNICATION_PATTERNS,
  type CommunicationPattern,
  type PatternOptions,
  type PatternOverrides,
  patternNames,
  type Patterns,
  resolvePatterns,
} from './patterns.js';
export { type ServiceCallRequest, type ServiceCallResponse, type ServiceCallTo } from './request.js';
export { type CallStageDescription, type CallStageName } from './call/stage.js';
export { Balancers, type FedBalancer } from './channel/balancers.js';
export { CIRCUIT_COMMANDS, type CircuitBreakerView, type CircuitCommand } from './channel/breakers.js';
export { type EjectionView } from './channel/outlier-detectors.js';
export { type ServiceLoad } from './channel/service-channel.js';
export { type UnreachableView } from './channel/unreachable-instances.js';
export { type InstanceCallExplanation, type ServiceExplanation } from './explain-service.js';
export { type DtoClass, type StandardIssue, type StandardResult, type StandardSchema } from './validate-answer.js';
