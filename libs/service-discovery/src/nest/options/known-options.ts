import { LOAD_BALANCING_OPTIONS } from '../../balancing/index.js';
import { type Problem, unknownOption } from '../../common/index.js';
import {
  HEALTH_AGGREGATOR_OPTIONS,
  DEFAULT_HEALTH_CHECK_OPTIONS,
  HEALTH_CHECK_OPTIONS_WITHOUT_DEFAULT,
} from '../../health/index.js';
import { EVENT_LOGGER_OPTIONS, JOURNAL_OPTIONS } from '../../observability/index.js';
import {
  ADAPTIVE_LIMIT_OPTIONS,
  BULKHEAD_OPTIONS,
  CHAOS_OPTIONS,
  CLIENT_THROTTLE_OPTIONS,
  HEDGING_OPTIONS,
  OUTLIER_DETECTION_OPTIONS,
  RATE_LIMITER_OPTIONS,
  CIRCUIT_BREAKER_OPTIONS,
  LAST_GOOD_OPTIONS,
  RETRY_OPTIONS,
} from '../../resilience/index.js';
import { SERVICE_REGISTRY_OPTIONS } from '../../registry/index.js';
import {
  REDIS_REGISTRY_STORE_OPTIONS,
  REDIS_SIGNING_OPTIONS,
  REMOTE_REGISTRY_STORE_OPTIONS,
  SELF_PRESERVATION_OPTIONS,
} from '../../store/index.js';
import { UNDICI_TRANSPORT_OPTIONS } from '../../transport/index.js';
import { API_OPTIONS_WITHOUT_DEFAULT, DEFAULT_API_OPTIONS } from '../rest/api-options.js';
import { type ServiceDiscoveryOptions } from './options.js';

const REMOTE_OPTIONS = REMOTE_REGISTRY_STORE_OPTIONS.without('url');
const REDIS_OPTIONS = REDIS_REGISTRY_STORE_OPTIONS.without('namespace', 'selfPreservation');

/** The options that are stated once, by the path of their group; empty: at the top level. */
export const OPTION_GROUPS = {
  '': SERVICE_REGISTRY_OPTIONS,
  remote: REMOTE_OPTIONS,
  redis: REDIS_OPTIONS,
  'redis.signing': REDIS_SIGNING_OPTIONS,
  selfPreservation: SELF_PRESERVATION_OPTIONS,
  health: HEALTH_AGGREGATOR_OPTIONS,
  loadBalancing: LOAD_BALANCING_OPTIONS,
  transport: UNDICI_TRANSPORT_OPTIONS.without('closeTimeout'),
  circuitBreaker: CIRCUIT_BREAKER_OPTIONS,
  retry: RETRY_OPTIONS,
  outlierDetection: OUTLIER_DETECTION_OPTIONS,
  hedging: HEDGING_OPTIONS,
  bulkhead: BULKHEAD_OPTIONS,
  adaptiveConcurrency: ADAPTIVE_LIMIT_OPTIONS,
  rateLimit: RATE_LIMITER_OPTIONS,
  throttling: CLIENT_THROTTLE_OPTIONS,
  lastGood: LAST_GOOD_OPTIONS,
  chaos: CHAOS_OPTIONS,
  logging: EVENT_LOGGER_OPTIONS,
  journal: JOURNAL_OPTIONS,
};

/** Every option's name, with the names inside of it where it is a group. */
export const KNOWN_OPTIONS: Readonly<Record<keyof ServiceDiscoveryOptions, readonly string[] | null>> = {
  preset: null,
  mode: null,
  registryUrl: null,
  remote: REMOTE_OPTIONS.names,
  redis: REDIS_OPTIONS.names,
  store: null,
  namespace: null,
  services: null,
  serviceTtl: null,
  heartbeatInterval: null,
  startTimeout: null,
  selfPreservation: SELF_PRESERVATION_OPTIONS.names,
  maxSnapshotAge: null,
  maxOfflineWrites: null,
  follow: null,
  trackHeartbeats: null,
  healthCheck: [...Object.keys(DEFAULT_HEALTH_CHECK_OPTIONS), ...HEALTH_CHECK_OPTIONS_WITHOUT_DEFAULT],
  health: [...HEALTH_AGGREGATOR_OPTIONS.names, 'decorators'],
  loadBalancing: ['strategy', ...LOAD_BALANCING_OPTIONS.names],
  circuitBreaker: CIRCUIT_BREAKER_OPTIONS.names,
  retry: RETRY_OPTIONS.names,
  timeout: null,
  attemptTimeout: null,
  concurrency: null,
  serviceCircuitBreaker: CIRCUIT_BREAKER_OPTIONS.names,
  outlierDetection: OUTLIER_DETECTION_OPTIONS.names,
  hedging: HEDGING_OPTIONS.names,
  bulkhead: BULKHEAD_OPTIONS.names,
  adaptiveConcurrency: ADAPTIVE_LIMIT_OPTIONS.names,
  rateLimit: RATE_LIMITER_OPTIONS.names,
  throttling: CLIENT_THROTTLE_OPTIONS.names,
  coalescing: null,
  waitForFirst: null,
  lastGood: LAST_GOOD_OPTIONS.names,
  chaos: CHAOS_OPTIONS.names,
  pattern: null,
  patterns: null,
  strategies: null,
  transport: null,
  requireTls: null,
  api: [...Object.keys(DEFAULT_API_OPTIONS), ...API_OPTIONS_WITHOUT_DEFAULT],
  allowedHosts: null,
  inheritDeadline: null,
  advertise: ['host', 'port', 'when'],
  shutdown: ['drainDelay', 'timeout'],
  logging: EVENT_LOGGER_OPTIONS.names,
  metrics: ['registry', 'prefix', 'durationBuckets'],
  journal: JOURNAL_OPTIONS.names,
  report: null,
};

/** The names inside of a group; null for what is none, or no option at all. */
export function namesIn(option: string): readonly string[] | null {
  return Object.hasOwn(KNOWN_OPTIONS, option) ? KNOWN_OPTIONS[option as keyof ServiceDiscoveryOptions] : null;
}

/** Names that are no options, such as misspelled ones, at both levels. */
export function findUnknownOptions(options: object): Problem[] {
  const names = Object.keys(KNOWN_OPTIONS);
  const inGroups = Object.entries({
    ...KNOWN_OPTIONS,
    transport: UNDICI_TRANSPORT_OPTIONS.names,
  }).flatMap(([name, inner]) => (inner ?? []).map((own) => `${name}.${own}`));
  return Object.entries(options).flatMap(([name, value]: [string, unknown]) => {
    if (!Object.hasOwn(KNOWN_OPTIONS, name)) return [unknownOption(name, name, value, names, inGroups)];
    const inner = namesIn(name);
    if (!inner || typeof value !== 'object' || value === null) return [];
    return Object.entries(value)
      .filter(([key]) => !inner.includes(key))
      .map(([key, own]: [string, unknown]) => unknownOption(`${name}.${key}`, key, own, inner));
  });
}
