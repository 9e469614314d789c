import { isRecord, type Problem, withMaskedPassword } from '../../common/index.js';
import { TOP_LEVEL_OPTIONS } from './known-options.js';
import { type ServiceDiscoveryOptions } from './options.js';

type Options = Required<ServiceDiscoveryOptions>;

/** Hints for a group that is given a plain value: the option that the value is usually meant for. */
const MEANT: Readonly<Partial<Record<keyof Options, string>>> = {
  healthCheck: 'how often is healthCheck.interval',
  circuitBreaker: 'how many failures open it is circuitBreaker.failureThreshold',
  retry: 'how often is retry.maxAttempts',
  bulkhead: 'how many calls is bulkhead.maxConcurrent',
  rateLimit: 'how many calls is rateLimit.rate, and in what time rateLimit.per',
  remote: "the registry's URL is registryUrl",
  redis: 'the URL of a Redis is redis.url, and a client redis.client',
  health: 'healthCheck: false checks nothing, and api.healthPath: false leaves out the health routes',
  api: 'its path is api.path',
  advertise: "the address 10.0.0.1:80 is { host: '10.0.0.1', port: 80 }",
  loadBalancing: 'a strategy alone is its name, a class or a factory',
  requestId: 'the header is requestId.header',
  shutdown: 'how long leaving may take is shutdown.timeout',
  logging: "how much is written, the app's own logger says, and for each event logging.levels",
  metrics: 'api: false leaves out their route, and what the names start with is metrics.prefix',
};

/** Groups whose value is neither an object of options nor anything else that their type allows. */
export function findWrongGroups(options: ServiceDiscoveryOptions): Problem[] {
  return Object.entries(options).flatMap(([name, value]: [string, unknown]) => {
    const { inner, switchable } = TOP_LEVEL_OPTIONS.options[name] ?? {};
    if (!inner || value === undefined || isRecord(value)) return [];
    if (value === false && switchable) return [];
    // A strategy without options: validated with the known strategy names.
    if (name === 'loadBalancing' && (typeof value === 'string' || typeof value === 'function')) return [];
    const off = switchable ? ', or false' : '';
    const meant = MEANT[name as keyof Options];
    const expected = `an object of options${off}: any of ${inner.names.join(', ')}${meant ? ` (${meant})` : ''}`;
    return [{ path: name, value: withoutSecrets(value), expected }];
  });
}

/** An option's value as a message may show it: it may be a URL with a password, or an object that holds a secret. */
export function withoutSecrets(value: unknown): unknown {
  const masked = withMaskedPassword(value);
  return typeof masked === 'object' && masked !== null && Object.keys(masked).length > 0 ? '***' : masked;
}
