/**
 * The parts that need no framework: balancing, resilience, registry, health, calls, events. What is not listed here is
 * nobody's to rely on.
 */
export {
  AttemptTimeoutError,
  BulkheadFullError,
  CircuitOpenError,
  type Classifier,
  type Clock,
  DeadlineExceededError,
  type Duration,
  ERROR_CODES,
  type ErrorCode,
  type ErrorDetails,
  InvalidConfigurationError,
  InvalidInstanceError,
  LeaseLostError,
  NoAvailableInstanceError,
  type Outcome,
  type OutcomeClass,
  type Problem,
  type Random,
  RegistryUnavailableError,
  ResponseStatusError,
  seededRandom,
  ServiceDiscoveryError,
  ServiceNotFoundError,
  systemClock,
  systemRandom,
  type Timer,
  type TimerOptions,
  TransportError,
} from './common/index.js';
