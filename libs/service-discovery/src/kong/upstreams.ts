import { isHost, isLabel } from '../model/index.js';
import { type LoadBalancingSettings } from '../balancing/index.js';
import { type EntityFields } from './entity-fields.js';
import { type KongEntity } from './entities.js';
import { type ImportedChecks, readHealthChecks } from './health-checks.js';

/** The result of importing a Kong upstream, for the services that use it. */
export interface ImportedUpstream extends ImportedChecks {
  readonly targets: readonly ImportedTarget[];
  readonly tags: readonly string[];
  readonly loadBalancing: LoadBalancingSettings;
  readonly certificate: KongEntity | undefined;
}

export interface ImportedTarget {
  readonly host: string;
  readonly port: number;
  readonly weight: number;
  readonly tags: readonly string[];
}

const ALGORITHMS = ['round-robin', 'least-connections', 'consistent-hashing', 'latency', 'sticky-sessions'] as const;
const HASHES = ['none', 'consumer', 'ip', 'header', 'cookie', 'path', 'query_arg', 'uri_capture'] as const;
type Hash = (typeof HASHES)[number];
const SLOTS = { min: 10, max: 2 ** 16 };
const NO_CAPTURES = 'there are no consumers and captures here: the calls pass the value as their key';

type Source = 'key' | 'ip' | 'path' | { header: string } | { cookie: string } | { query: string };
type Warn = (path: string, message: string) => void;

export function readUpstream(fields: EntityFields, targets: readonly ImportedTarget[], warn: Warn): ImportedUpstream {
  fields.carried('name', 'the service that names it as its host');
  const checks = readHealthChecks(fields, warn);
  const { minimumHealthyShare, check } = checks;
  const isHttp = check?.type === 'http';
  const host = readHostHeader(fields, isHttp);
  const loadBalancing = {
    ...readBalancing(fields, warn),
    ...(minimumHealthyShare !== undefined && { minimumHealthyShare }),
  };
  if (fields.boolean('use_srv_name') !== true) fields.carried('use_srv_name');
  else fields.dropped('use_srv_name', 'the host of a call is that of the instance; set headers.host in the call');
  return {
    ...checks,
    check: host !== undefined && isHttp ? { ...check, host } : check,
    targets,
    tags: readTags(fields),
    loadBalancing,
    certificate: fields.entity.references.get('client_certificate'),
  };
}

/** For checks over HTTP. Calls say it themselves, since it is a header of the request. */
function readHostHeader(fields: EntityFields, isHttp: boolean): string | undefined {
  const host = fields.text('host_header');
  if (!isHttp) {
    fields.dropped('host_header', "calls send it with headers: { host: '…' }");
    return undefined;
  }
  fields.approximated(
    'host_header',
    "checks send it; calls send it with headers: { host: '…' }",
    'healthCheck.services.host',
  );
  return host;
}

function readBalancing(fields: EntityFields, warn: Warn): LoadBalancingSettings {
  const hashOn = fields.oneOf('hash_on', HASHES) ?? 'none';
  const given = fields.oneOf('algorithm', ALGORITHMS);
  // Before there was an algorithm, a hash made one.
  const algorithm = given ?? (hashOn === 'none' ? 'round-robin' : 'consistent-hashing');
  fields.number('slots', SLOTS);
  fields.dropped('slots', 'consistent_hash has no slots: it finds the instance of a key by rendezvous hashing');
  const to = 'loadBalancing.strategy';
  fields.carried('algorithm', to);
  if (algorithm !== 'consistent-hashing' && hashOn !== 'none') {
    warn('hash_on', `hash_on has no effect with the algorithm ${algorithm}`);
  }
  switch (algorithm) {
    case 'round-robin':
      ignoreHash(fields);
      return { strategy: 'weighted_round_robin' };
    case 'least-connections':
      ignoreHash(fields);
      return { strategy: 'least_connections' };
    case 'latency':
      ignoreHash(fields);
      return { strategy: 'p2c_ewma' };
    case 'sticky-sessions':
      fields.approximated('algorithm', 'Kong sets the cookie itself; here the caller passes on that of its client', to);
      ignoreHash(fields);
      return { strategy: 'consistent_hash', hash: { on: { cookie: readCookie(fields) } } };
    case 'consistent-hashing':
      fields.approximated('algorithm', 'another hash: keys change their target once, at the switch', to);
      return { strategy: 'consistent_hash', ...readHash(fields, hashOn, warn) };
  }
}

const HASH_FIELDS = ['', '_header', '_cookie', '_cookie_path', '_query_arg', '_uri_capture'];

function ignoreHash(fields: EntityFields): void {
  for (const suffix of HASH_FIELDS) {
    for (const name of [`hash_on${suffix}`, `hash_fallback${suffix}`]) {
      if (fields.node(name)?.value === 'none') fields.carried(name);
      else fields.dropped(name, 'without effect: the algorithm uses no hash');
    }
  }
}

function readCookie(fields: EntityFields): string {
  const note = 'the cookie is read, and not set';
  fields.approximated('sticky_sessions_cookie', note, 'loadBalancing.hash');
  fields.dropped('sticky_sessions_cookie_path', note);
  return fields.text('sticky_sessions_cookie') ?? 'kong_session';
}

function readHash(fields: EntityFields, hashOn: Hash, warn: Warn): Pick<LoadBalancingSettings, 'hash'> {
  const hashFallback = fields.oneOf('hash_fallback', HASHES) ?? 'none';
  const inputs = [readSource(fields, 'hash_on', hashOn, warn), readSource(fields, 'hash_fallback', hashFallback, warn)];
  if (hashOn === 'none') warn('algorithm', 'consistent-hashing without hash_on: no call has a key');
  if (hashOn !== 'none' && hashOn === hashFallback && hashOn !== 'header') {
    warn('hash_fallback', `hash_fallback is the same as hash_on, ${hashOn}, which Kong refuses`);
  }
  if (hashOn === 'cookie' && hashFallback !== 'none') {
    warn('hash_fallback', 'hash_fallback has no effect beside a cookie, which Kong sets where there is none');
  }
  fields.dropped('hash_on_cookie_path', 'the cookie is read, and not set');
  if (hashFallback === 'none') {
    const note = 'calls without a key go by p2c_ewma, where Kong sends all of them to one target';
    fields.approximated('hash_fallback', note, 'loadBalancing.hash.fallback');
  }
  const sources = [...new Set(inputs.filter((source) => source !== undefined))];
  if (sources.length === 0) return {};
  return { hash: { on: sources.length === 1 ? sources[0]! : sources } };
}

/** One input of the hash, with the field beside it that names the header, the cookie, … */
function readSource(
  fields: EntityFields,
  name: 'hash_on' | 'hash_fallback',
  hash: Hash,
  warn: Warn,
): Source | undefined {
  const to = 'loadBalancing.hash.on';
  fields.carried(name, to);
  const named = <T>(suffix: string, make: (value: string) => T): T | undefined => {
    // A cookie has one name for both.
    const path = suffix === 'cookie' ? 'hash_on_cookie' : `${name}_${suffix}`;
    fields.carried(path, to);
    const value = fields.text(path);
    if (value === undefined) warn(name, `${name} is ${hash}, and there is no ${path}`);
    return value === undefined ? undefined : make(value);
  };
  switch (hash) {
    case 'none':
      return undefined;
    case 'ip':
    case 'path':
      return hash;
    case 'header':
      return named('header', (header) => ({ header }));
    case 'cookie':
      fields.approximated(
        name,
        'Kong sets the cookie where there is none; here the caller passes on that of its client',
        to,
      );
      return named('cookie', (cookie) => ({ cookie }));
    case 'query_arg':
      return named('query_arg', (query) => ({ query }));
    case 'uri_capture':
      fields.approximated(`${name}_uri_capture`, NO_CAPTURES, 'key of a call');
      fields.approximated(name, NO_CAPTURES, to);
      return 'key';
    case 'consumer':
      fields.approximated(name, NO_CAPTURES, to);
      return 'key';
  }
}

/** Undefined, and a problem, if it is none. */
export function readTarget(fields: EntityFields): ImportedTarget | undefined {
  const address = fields.text('target');
  const weight = fields.number('weight', { min: 0, max: 65_535 }) ?? 100;
  const tags = readTags(fields);
  fields.carried('upstream', 'services');
  fields.carried('weight', 'services.targets.weight');
  const [, bracketed, name, digits = '8000'] = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d+))?$/.exec(address ?? '') ?? [];
  const host = bracketed ?? name ?? '';
  const port = Number(digits);
  if (!isHost(host) || port < 1 || port > 65_535) {
    fields.problem(
      'target',
      `expected a host with or without a port, such as 10.0.0.5:8080, but got ${JSON.stringify(address)}`,
    );
    return undefined;
  }
  fields.carried('target', 'services.targets.url');
  if (!/^[\d.]+$/.test(host) && bracketed === undefined) {
    const note = 'a name: one instance here, whatever addresses it has; list each address to balance between them';
    fields.approximated('target', note, 'services.targets.url');
  }
  return { host: bracketed === undefined ? host : `[${host}]`, port, weight, tags };
}

/** Those of a service, its upstream and a target come together, and an instance has at most 64. */
const MAX_TAGS = 20;

/** Tags of Kong may have spaces, and those here may not. */
export function readTags(fields: EntityFields, path = 'tags'): string[] {
  const tags = fields.texts(path) ?? [];
  const usable = [...new Set(tags.map(toTag))].filter((tag) => tag !== '').slice(0, MAX_TAGS);
  const isSame = usable.length === tags.length && tags.every(isLabel);
  if (isSame) fields.carried(path, 'tags');
  else fields.approximated(path, 'spaces and slashes become dashes, at most 128 characters, at most 20 tags', 'tags');
  return usable;
}

function toTag(tag: string): string {
  return tag
    .trim()
    .replace(/[\s/\p{Cc}]+/gu, '-')
    .slice(0, 128);
}
