/** What a Nest application needs. `./core` has the same framework-free parts and all others, `./axios` those for `HttpService`. */
export * from './nest/index.js';

// Classes that an application injects, or makes for its tests.
export {
  DiscoveryMetrics,
  EventBus,
  HealthAggregator,
  MemoryRegistryStore,
  ResiliencePolicy,
  ServiceCommunicator,
  ServiceRegistry,
} from './core.js';

// Errors, as `catch` finds them.
export {
  AttemptTimeoutError,
  BulkheadFullError,
  CircuitOpenError,
  ConcurrencyLimitedError,
  DeadlineExceededError,
  type ErrorCode,
  FallbackFailedError,
  HostNotAllowedError,
  InvalidConfigurationError,
  InvalidInstanceError,
  LeaseLostError,
  NoAvailableInstanceError,
  RateLimitedError,
  RegistryUnavailableError,
  ResponseStatusError,
  ServiceDiscoveryError,
  ServiceNotFoundError,
  ServiceNotReadyError,
  ThrottledError,
  TransportError,
} from './core.js';

// What these classes take and return.
export {
  type AggregatedHealth,
  type EventName,
  type EventOf,
  type FallbackRequest,
  type FallbackResult,
  type HealthStatus,
  type InstanceKey,
  type ParallelCall,
  type ParallelOptions,
  type ParallelResult,
  type ServiceCallRequest,
  type ServiceCallResponse,
  type ServiceDiscoveryEvent,
  type ServiceInstance,
  type ServiceRegistration,
  type Tier,
} from './core.js';

// The groups of options, and what stands in them.
export {
  type AdaptiveLimitOptions,
  type BulkheadOptions,
  type Candidate,
  type ChaosOptions,
  type CircuitBreakerOptions,
  type ClientThrottleOptions,
  type CommunicatorOptions,
  type CustomStrategies,
  type DiscoveryMetricsOptions,
  type Duration,
  type EventLoggerOptions,
  type HealthAggregatorOptions,
  type HealthCheckOptions,
  type HedgingOptions,
  type LastGoodOptions,
  type LoadBalancing,
  type LoadBalancingOptions,
  LoadBalancingStrategy,
  type OutlierDetectionOptions,
  type PatternOptions,
  type RateLimiterOptions,
  type RedisRegistryStoreOptions,
  type RedisSigningOptions,
  type RegistryStore,
  type RemoteRegistryStoreOptions,
  type ResiliencePolicyOptions,
  type RetryOptions,
  type SelfPreservationOptions,
  type Strategy,
  type StrategyName,
  type Transport,
  type TransportTlsOptions,
} from './core.js';
