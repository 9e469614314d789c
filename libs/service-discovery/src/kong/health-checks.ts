import { type Duration } from '../common/index.js';
import { type ServiceCheckOptions } from '../health/index.js';
import { type StatusRange } from '../model/index.js';
import { type CircuitBreakerOptions } from '../resilience/index.js';
import { type EntityFields } from './entity-fields.js';

/** How the targets of an upstream are checked. */
export interface ImportedChecks {
  /** Null: a check over TCP. */
  readonly healthCheckPath: string | null;
  /** Undefined for the usual check over TCP. */
  readonly check: ServiceCheckOptions | undefined;
  readonly circuitBreaker: Partial<CircuitBreakerOptions> | false;
  /** `threshold`: the share of the weight that has to be healthy. */
  readonly minimumHealthyShare?: number;
}

type Warn = (path: string, message: string) => void;

const TYPES = ['http', 'https', 'tcp', 'grpc', 'grpcs'] as const;
const SECONDS = { min: 0, max: 65_535, integer: false };
const COUNTS = { min: 0, max: 255 };
const KONG_HEALTHY = [200, 302];
const KONG_UNHEALTHY = [404, 429, 500, 501, 502, 503, 504, 505];
const KONG_PASSIVE_UNHEALTHY = [429, 500, 503];
/** What a circuit counts as a failure. */
const COUNTED = [408, 429, ...Array.from({ length: 100 }, (_, index) => 500 + index)];

/** What is checked where Kong checks nothing: whether the port takes connections. */
export const UNCHECKED: ImportedChecks = { healthCheckPath: null, check: undefined, circuitBreaker: false };

export function readHealthChecks(fields: EntityFields, warn: Warn): ImportedChecks {
  const threshold = readThreshold(fields);
  const active = readActive(fields, warn);
  const circuitBreaker = readPassive(fields, active, warn);
  return {
    healthCheckPath: active?.healthCheckPath ?? null,
    check: active?.check,
    circuitBreaker,
    ...(threshold !== undefined && { minimumHealthyShare: threshold }),
  };
}

function readThreshold(fields: EntityFields): number | undefined {
  const path = 'healthchecks.threshold';
  const percent = fields.number(path, { min: 0, max: 100, integer: false });
  fields.carried(path, 'loadBalancing.minimumHealthyShare');
  if (percent === undefined || percent === 0) return undefined;
  if (percent < 100) return percent / 100;
  fields.approximated(path, '99%: a share of more than 100% is never healthy', 'loadBalancing.minimumHealthyShare');
  return 0.99;
}

interface Active extends Pick<ImportedChecks, 'healthCheckPath'> {
  readonly check: ServiceCheckOptions;
  /** How long a target takes to come back, in seconds. */
  readonly recoverySeconds: number;
}

const ACTIVE = 'healthchecks.active';
const TO = 'healthCheck.services';

/** Undefined if Kong makes no checks of its own. */
function readActive(fields: EntityFields, warn: Warn): Active | undefined {
  const at = (name: string): string => `${ACTIVE}.${name}`;
  const type = fields.oneOf(at('type'), TYPES) ?? 'http';
  const path = fields.text(at('http_path')) ?? '/';
  const seconds = fields.number(at('timeout'), SECONDS) ?? 1;
  const healthy = fields.number(at('healthy.interval'), SECONDS) ?? 0;
  const unhealthy = fields.number(at('unhealthy.interval'), SECONDS) ?? 0;
  const successes = readCount(fields, at('healthy.successes'));
  const counts = readCounts(fields, ACTIVE);
  const statuses = readStatuses(fields, warn);
  const headers = readHeaders(fields, warn);
  fields.number(at('concurrency'), { min: 1, max: 2 ** 31 });
  fields.approximated(at('concurrency'), 'healthCheck.concurrency is for all services together, 50 by default');
  const tls = readTls(fields);
  if (healthy === 0 && unhealthy === 0) {
    const note = 'active checks are off (both intervals are 0); here a connection is opened every 30 s';
    for (const { path: own } of fieldsBelow(fields, ACTIVE)) fields.approximated(own, note);
    return undefined;
  }
  for (const name of ['type', 'http_path', 'timeout']) fields.carried(at(name), TO);
  if (healthy === 0) {
    fields.approximated(
      at('healthy.interval'),
      'Kong checks only unhealthy targets, here all are checked',
      `${TO}.interval`,
    );
  } else fields.carried(at('healthy.interval'), `${TO}.interval`);
  if (unhealthy === 0) {
    const note = 'Kong does not check a target that is down, here it is checked so that it comes back';
    fields.approximated(at('unhealthy.interval'), note, `${TO}.downInterval`);
  } else fields.carried(at('unhealthy.interval'), `${TO}.downInterval`);
  if (successes === 0) {
    const note = 'Kong never brings a target back by checks; here 2 successes do (rise)';
    fields.approximated(at('healthy.successes'), note);
  } else fields.carried(at('healthy.successes'), `${TO}.rise`);
  const isHttp = type === 'http' || type === 'https';
  const isSecure = type === 'https' || type === 'grpcs';
  const interval = healthy || unhealthy;
  const downInterval = unhealthy || healthy;
  const timeout = Math.min(Math.max(seconds, 0.001), 3_600);
  if (timeout > Math.min(interval, downInterval)) {
    fields.approximated(
      at('timeout'),
      'at most the shortest interval: checks of a target never overlap',
      `${TO}.timeout`,
    );
  }
  return {
    healthCheckPath: isHttp ? path : null,
    recoverySeconds: downInterval * Math.max(1, successes),
    check: {
      type: type === 'tcp' ? 'tcp' : isHttp ? 'http' : 'grpc',
      ...(isSecure && { protocol: 'https' as const }),
      interval: secondsText(Math.max(0.01, interval)),
      ...(downInterval !== interval && { downInterval: secondsText(Math.max(0.01, downInterval)) }),
      timeout: secondsText(timeout),
      ...(successes > 0 && { rise: successes }),
      ...counts,
      ...(isHttp && statuses),
      ...(isHttp && headers && { headers }),
      ...(isSecure && tls && { tls }),
    },
  };
}

/** `http_failures`, `tcp_failures` and `timeouts`; 0 counts nothing in Kong and here. */
function readCounts(
  fields: EntityFields,
  base: string,
): Required<Pick<ServiceCheckOptions, 'httpFailures' | 'tcpFailures' | 'timeouts'>> {
  const [httpFailures, tcpFailures, timeouts] = ['http_failures', 'tcp_failures', 'timeouts'].map((name) => {
    const path = `${base}.unhealthy.${name}`;
    fields.carried(path, TO);
    return readCount(fields, path);
  });
  return { httpFailures: httpFailures!, tcpFailures: tcpFailures!, timeouts: timeouts! };
}

function readCount(fields: EntityFields, path: string): number {
  return fields.number(path, COUNTS) ?? 0;
}

function readStatuses(
  fields: EntityFields,
  warn: Warn,
): Required<Pick<ServiceCheckOptions, 'healthyStatuses' | 'unhealthyStatuses'>> {
  const healthyPath = `${ACTIVE}.healthy.http_statuses`;
  const unhealthyPath = `${ACTIVE}.unhealthy.http_statuses`;
  const healthy = usableStatuses(fields, healthyPath, KONG_HEALTHY);
  const all = usableStatuses(fields, unhealthyPath, KONG_UNHEALTHY);
  const unhealthy = all.filter((status) => !healthy.includes(status));
  if (unhealthy.length < all.length) {
    warn(unhealthyPath, 'statuses that are healthy too: Kong takes them for healthy, and so does the import');
  }
  return {
    healthyStatuses: toRanges(healthy.length > 0 ? healthy : outside(unhealthy, KONG_HEALTHY)),
    unhealthyStatuses: toRanges(unhealthy.length > 0 ? unhealthy : outside(healthy, [599])),
  };
}

/** Stands for an empty list, which Kong has and the options do not: the preferred statuses that the other list leaves free, else any such one. */
function outside(other: readonly number[], preferred: readonly number[]): readonly number[] {
  const free = preferred.filter((status) => !other.includes(status));
  if (free.length > 0) return free;
  const all = Array.from({ length: 400 }, (_, index) => 200 + index);
  return all.filter((status) => !other.includes(status)).slice(0, 1);
}

function usableStatuses(fields: EntityFields, path: string, byDefault: readonly number[]): number[] {
  const given = fields.numbers(path) ?? byDefault;
  const usable = given.filter((status) => status >= 200 && status <= 599);
  if (usable.length === given.length && usable.length > 0) fields.carried(path, TO);
  else fields.approximated(path, 'only statuses from 200 to 599 count here', TO);
  return [...new Set(usable)].toSorted((one, other) => one - other);
}

/** Consecutive statuses become one range, which keeps lists short. */
function toRanges(sorted: readonly number[]): StatusRange[] {
  const ranges: [number, number][] = [];
  for (const status of sorted) {
    const last = ranges.at(-1);
    if (last?.[1] === status - 1) last[1] = status;
    else ranges.push([status, status]);
  }
  return ranges.map(([from, to]) => (from === to ? from : [from, to]));
}

function readHeaders(fields: EntityFields, warn: Warn): Record<string, string> | undefined {
  const path = `${ACTIVE}.headers`;
  const given = fields.node(path);
  if (!given) return undefined;
  if (!given.fields) {
    fields.problem(path, 'expected an object of lists of values by name');
    return undefined;
  }
  fields.carried(path, `${TO}.headers`);
  const headers: Record<string, string> = {};
  for (const [name, node] of given.fields) {
    const value = node.toJson();
    const values: readonly unknown[] = Array.isArray(value) ? value : [value];
    if (!Array.isArray(value))
      warn(`${path}.${name}`, 'a text where Kong takes only a list of texts: read as a list of one');
    if (name.toLowerCase() === 'host') {
      fields.approximated(path, 'without its host: host_header of the upstream says which', `${TO}.headers`);
      continue;
    }
    if (values.length > 1)
      fields.approximated(path, 'several values are sent in one header, joined by commas', `${TO}.headers`);
    headers[name] = values.map(String).join(', ');
  }
  return headers;
}

function readTls(fields: EntityFields): ServiceCheckOptions['tls'] {
  const sniPath = `${ACTIVE}.https_sni`;
  const verifyPath = `${ACTIVE}.https_verify_certificate`;
  const servername = fields.text(sniPath);
  const verify = fields.boolean(verifyPath);
  fields.carried(sniPath, `${TO}.tls.servername`);
  fields.carried(verifyPath, `${TO}.tls.rejectUnauthorized`);
  if (servername === undefined && verify !== false) return undefined;
  return { ...(servername !== undefined && { servername }), ...(verify === false && { rejectUnauthorized: false }) };
}

const PASSIVE = 'healthchecks.passive';

function readPassive(
  fields: EntityFields,
  active: Active | undefined,
  warn: Warn,
): Partial<CircuitBreakerOptions> | false {
  const at = (name: string): string => `${PASSIVE}.${name}`;
  const type = fields.oneOf(at('type'), TYPES) ?? 'http';
  const { httpFailures, tcpFailures, timeouts } = readCounts(fields, PASSIVE);
  const successes = readCount(fields, at('healthy.successes'));
  const unhealthy = fields.numbers(at('unhealthy.http_statuses')) ?? KONG_PASSIVE_UNHEALTHY;
  fields.numbers(at('healthy.http_statuses'));
  const thresholds = [httpFailures, tcpFailures, timeouts].filter((count) => count > 0);
  if (thresholds.length === 0) {
    for (const { path } of fieldsBelow(fields, PASSIVE)) fields.carried(path, 'circuitBreaker: false');
    return false;
  }
  const failureThreshold = Math.min(...thresholds);
  const oneCount = 'one count for failures of all kinds, the lowest of the three: circuitBreaker.failureThreshold';
  for (const name of ['http_failures', 'tcp_failures', 'timeouts'])
    fields.approximated(at(`unhealthy.${name}`), oneCount);
  const ignoresStatuses = httpFailures === 0 || type === 'tcp';
  const counted = ignoresStatuses ? [] : unhealthy.filter((status) => COUNTED.includes(status));
  const ignored = COUNTED.filter((status) => !counted.includes(status));
  fields.carried(at('type'), 'circuitBreaker.ignoredStatuses');
  fields.carried(at('unhealthy.http_statuses'), 'circuitBreaker.ignoredStatuses');
  if (!ignoresStatuses && counted.length < unhealthy.length) {
    const note = 'a circuit counts only 408, 429 and 5xx as failures';
    fields.approximated(at('unhealthy.http_statuses'), note, 'circuitBreaker.ignoredStatuses');
  }
  fields.approximated(at('healthy.http_statuses'), 'all that are not failures are successes');
  fields.approximated(
    at('healthy.successes'),
    'probes that must succeed before the circuit closes',
    'circuitBreaker.successThreshold',
  );
  if (!active) {
    warn(
      PASSIVE,
      'passive checks without active ones: a target that is out stays out in Kong; here it is probed again after 60 s',
    );
  }
  const recovery = active ? secondsText(Math.max(0.001, active.recoverySeconds)) : '60s';
  return {
    failureThreshold,
    recoveryTimeout: recovery,
    ...(successes > 1 && { successThreshold: successes }),
    ignoredStatuses: toRanges(ignored),
  };
}

/** The fields that stand in the entity below a path. */
function fieldsBelow(fields: EntityFields, base: string): { path: string }[] {
  const own = fields.own(base)?.fields;
  return [...(own ?? [])].flatMap(([name, node]) => {
    const path = `${base}.${name}`;
    return node.fields && node.fields.size > 0 ? fieldsBelow(fields, path) : [{ path }];
  });
}

/** A duration in the largest unit that takes no fraction. */
export function secondsText(seconds: number): Duration {
  const ms = Math.max(1, Math.min(86_400_000, Math.round(seconds * 1_000)));
  return ms % 1_000 === 0 ? `${ms / 1_000}s` : `${ms}ms`;
}
