/**
 * ` (did you mean "…"?)`, or a list of all known names if none is similar.
 * @param prefix common to all names and therefore ignored in the comparison
 */
export function suggest(name: string, known: readonly string[], prefix = ''): string {
  const ranked = known
    .map((candidate) => {
      const start = commonStart(name.toLowerCase(), candidate.toLowerCase());
      return { candidate, start, distance: distance(name.toLowerCase(), candidate.toLowerCase()) };
    })
    // A common beginning beats similarity: `retries` means `retry`, not `metrics`.
    .sort((a, b) => a.distance - a.start - (b.distance - b.start));
  const nearest = ranked[0];
  if (nearest && nearest.distance <= typos(name.length, nearest.start)) return didYouMean([prefix + nearest.candidate]);
  return `: known are ${known.map((one) => prefix + one).join(', ')}`;
}

/** How many characters may differ: of a short name, half of it would be another word, unless the beginning is the same. */
function typos(length: number, start: number): number {
  const alike = Math.floor(start / 2);
  return length > 4 ? Math.max(2, Math.floor(length / 5) + alike) : 1 + alike;
}

/** ` (did you mean "…"?)` next to a list of all known names; empty if none is similar. */
export function suggestNear(value: unknown, known: readonly string[]): string {
  const text = typeof value === 'string' ? suggest(value, known) : '';
  return text.startsWith(':') ? '' : text;
}

/** All allowed names, with a suggestion if one is similar. */
export function oneOfNames(value: unknown, known: readonly string[]): string {
  return `one of ${known.map((name) => JSON.stringify(name)).join(', ')}${suggestNear(value, known)}`;
}

/**
 * Like `suggest`, for option names. Recognizes another spelling (`base_delay`), a unit in the name (`timeoutMs`), names
 * of other libraries (`retries`), and options that belong to a group (`healthCheckInterval`).
 * @param known allowed names in that place
 * @param inGroups allowed names in groups, with the group in front: `healthCheck.interval`
 */
export function suggestOption(name: string, known: readonly string[], inGroups: readonly string[] = []): string {
  const wanted = [...spellingsOf(name)].flatMap((spelling) => [spelling, ...foreignNames(spelling)]);
  for (const one of wanted) {
    const here = known.find((candidate) => plain(candidate) === one);
    if (here !== undefined) return didYouMean([here]);
  }
  const typo = known.find((candidate) => distance(plain(candidate), plain(name)) === 1);
  if (typo !== undefined) return didYouMean([typo]);
  for (const one of wanted) {
    const inside = inGroups.filter((path) => plain(path) === one || plain(path.split('.')[1] ?? '') === one);
    if (inside.length > 0) return didYouMean(inside.slice(0, 2));
  }
  return suggest(name, known);
}

function foreignNames(spelling: string): string[] {
  return Object.hasOwn(FOREIGN_NAMES, spelling) ? FOREIGN_NAMES[spelling]!.map(plain) : [];
}

/** The name itself, and without its unit. */
function spellingsOf(name: string): Set<string> {
  const spelling = plain(name);
  return new Set([spelling, spelling.replace(/(?:in)?(?:ms|millis|milliseconds|secs?|seconds)$/, '')]);
}

/** Lower case, without separators. */
function plain(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '');
}

function didYouMean(names: readonly string[]): string {
  return ` (did you mean ${names.map((name) => `"${name}"`).join(' or ')}?)`;
}

function commonStart(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  return length;
}

/** Levenshtein distance: characters to insert, remove or replace. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/**
 * Names of options and fields in other libraries, in lower case without separators, mapped to their names here. Of
 * several names, the first that exists in that place is meant.
 */
export const FOREIGN_NAMES: Readonly<Record<string, readonly string[]>> = {
  // Requests: axios, got, fetch, superagent.
  data: ['json', 'metadata'],
  payload: ['json'],
  params: ['query'],
  searchparams: ['query'],
  qs: ['query'],
  url: ['path', 'registryUrl', 'targets'],
  uri: ['path', 'registryUrl', 'url'],
  registry: ['registryUrl'],
  endpoint: ['path', 'registryUrl'],
  baseurl: ['registryUrl'],
  abortsignal: ['signal'],

  // Retries: axios-retry, got, p-retry, cockatiel, Kong.
  attempts: ['maxAttempts'],
  retries: ['maxAttempts'],
  maxretries: ['maxAttempts'],
  retryattempts: ['maxAttempts'],
  retrycount: ['maxAttempts'],
  delay: ['baseDelay'],
  backoff: ['baseDelay'],
  retrydelay: ['baseDelay'],
  initialdelay: ['baseDelay'],
  mintimeout: ['baseDelay'],
  maxbackoff: ['maxDelay'],
  maxtimeout: ['maxDelay'],
  statuscodes: ['retryableStatuses'],
  retryon: ['retryableStatuses'],

  // Circuit breakers: opossum, cockatiel, resilience4j, Polly, Envoy.
  breaker: ['circuitBreaker'],
  errorthresholdpercentage: ['failureRate'],
  failureratethreshold: ['failureRate'],
  threshold: ['failureThreshold'],
  maxfailures: ['failureThreshold'],
  consecutivefailures: ['failureThreshold'],
  resettimeout: ['recoveryTimeout'],
  halfopenafter: ['recoveryTimeout'],
  durationofbreak: ['recoveryTimeout'],
  sleepwindow: ['recoveryTimeout'],
  waitdurationinopenstate: ['recoveryTimeout'],
  volumethreshold: ['minimumCalls'],
  minimumrps: ['minimumCalls'],
  minimumthroughput: ['minimumCalls'],
  minimumnumberofcalls: ['minimumCalls'],
  rollingcounttimeout: ['window'],
  samplingduration: ['window'],
  slidingwindowsize: ['window'],
  permittednumberofcallsinhalfopenstate: ['halfOpenPermits'],
  baseejectiontime: ['ejectionTime'],

  // Limits.
  capacity: ['maxConcurrent'],
  maxconcurrency: ['maxConcurrent', 'concurrency'],
  maxconcurrentcalls: ['maxConcurrent', 'concurrency'],
  queue: ['maxQueue'],
  queuesize: ['maxQueue'],
  maxqueuesize: ['maxQueue'],
  limit: ['rate', 'maxConcurrent'],
  period: ['per'],
  readtimeout: ['attemptTimeout', 'bodyTimeout'],
  writetimeout: ['attemptTimeout', 'bodyTimeout'],
  requesttimeout: ['timeout'],

  // Balancing and targets: Kong, nginx, HAProxy.
  algorithm: ['strategy', 'loadBalancing'],
  balancer: ['loadBalancing'],
  upstreams: ['services', 'targets'],
  instances: ['targets', 'services'],
  endpoints: ['targets', 'services'],
  servers: ['targets'],
  nodes: ['targets'],
  urls: ['targets'],
  hosts: ['targets'],
  host: ['url', 'targets'],
  port: ['url', 'targets'],

  // Registrations: Consul, Eureka, and what they become in snake case.
  name: ['serviceName'],
  service: ['serviceName', 'name'],
  servicename: ['name'],
  id: ['instanceId'],
  serviceid: ['instanceId'],
  address: ['host', 'url', 'targets'],
  hostname: ['host'],
  meta: ['metadata'],
  check: ['healthCheck'],
  healthpath: ['healthCheckPath'],
  healthendpoint: ['healthCheckPath'],
  datacenter: ['zone'],
  region: ['zone'],
  leasettl: ['serviceTtl', 'ttl'],
  ttl: ['serviceTtl'],
  prefix: ['path'],
};
