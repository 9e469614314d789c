import { InvalidConfigurationError, OptionValidator, readTls, type TlsOptions } from '../common/index.js';
import { type PatternOptions } from '../communicator/index.js';
import { resolveHealthCheckOptions, type ServiceCheckOptions } from '../health/index.js';
import { isPath, isServiceName, type Protocol, type ServiceRegistration } from '../model/index.js';
import { type ListedService, type ListedTarget, readListedServices } from '../registry/index.js';
import { type EntityFields } from './entity-fields.js';
import { type KongEntity } from './entities.js';
import { secondsText, UNCHECKED } from './health-checks.js';
import { type ImportedUpstream, readTags } from './upstreams.js';

/** The result of importing a Kong service. */
export interface ImportedService {
  readonly listed: ListedService;
  readonly registrations: readonly ServiceRegistration[];
  readonly pattern: PatternOptions;
  readonly check: ServiceCheckOptions | undefined;
  readonly tls: TlsOptions | undefined;
  readonly connectTimeoutMs: number;
}

export interface ServiceContext {
  readonly upstream: ImportedUpstream | undefined;
  readonly certificate: KongEntity | undefined;
  readonly authorities: readonly KongEntity[];
  readonly tags: readonly string[];
  /** A name for it that no other service has. */
  readonly uniqueName: (wanted: string) => string;
  readonly warn: (path: string, message: string) => void;
  /** Hears of each certificate that is carried over. */
  readonly onCertificate: (certificate: KongEntity) => void;
}

/** The protocols of Kong, and which one here is meant. */
const PROTOCOLS: Readonly<Record<string, Protocol | null>> = {
  http: 'http',
  https: 'https',
  grpc: 'grpc',
  grpcs: 'grpcs',
  tcp: 'tcp',
  tls: 'tcp',
  tls_passthrough: 'tcp',
  udp: null,
  ws: 'ws',
  wss: 'wss',
};
const TIMEOUT = { min: 1, max: 2 ** 31 - 2 };
const DEFAULT_TIMEOUT_MS = 60_000;
const MAX_MS = 86_400_000;
const MAX_ATTEMPTS = 20;

/** Undefined for a service that cannot be listed; its report says why. */
export function readService(fields: EntityFields, context: ServiceContext): ImportedService | undefined {
  const { upstream, warn } = context;
  const address = readAddress(fields, upstream, warn);
  const { attempts, attemptMs, connectTimeoutMs } = readAttempts(fields);
  const enabled = fields.boolean('enabled') ?? true;
  fields.carried('enabled', enabled ? 'services' : 'services.weight: 0');
  const tags = [...context.tags, ...readTags(fields), ...(upstream?.tags ?? [])];
  const tls = readServiceTls(fields, context, address?.protocol);
  const name = readName(fields, context, address?.host);
  if (!address) return undefined;
  const { protocol, host, port, path } = address;
  const targets = upstream?.targets ?? [{ host, port, weight: 100, tags: [] }];
  if (targets.length === 0) {
    warn('host', `the upstream "${host}" has no targets, so there is nothing to list`);
    fields.drop('its upstream has no targets');
    return undefined;
  }
  const urlOf = (target: { host: string; port: number }): string =>
    `${protocol}://${target.host}:${target.port}${path}`;
  const { healthCheckPath, check = defaultCheck(protocol), circuitBreaker } = upstream ?? UNCHECKED;
  const listed: ListedService = {
    name,
    targets: targets.map((target): ListedTarget | string => {
      const url = urlOf(target);
      const weight = enabled ? target.weight : 0;
      const own = { ...(weight !== 100 && { weight }), ...(target.tags.length > 0 && { tags: target.tags }) };
      return Object.keys(own).length > 0 ? { url, ...own } : url;
    }),
    healthCheckPath,
    ...(tags.length > 0 && { tags: [...new Set(tags)] }),
  };
  const pattern: PatternOptions = {
    ...(upstream && { loadBalancing: upstream.loadBalancing }),
    timeout: secondsText((attempts * attemptMs) / 1_000),
    attemptTimeout: secondsText(attemptMs / 1_000),
    retry: { maxAttempts: attempts },
    circuitBreaker,
  };
  if (targets.every(({ weight }) => weight === 0))
    warn('host', `all targets of the upstream "${host}" have the weight 0: no call goes there`);
  const registrations = checked(fields, listed, check);
  if (!registrations) return undefined;
  fields.becomes(name === fields.entity.name ? 'services' : `services: ${name}`);
  return { listed, registrations, pattern, check, tls, connectTimeoutMs };
}

/** Without a path, an instance is checked over TCP, but for those of gRPC, which Kong does not ask either. */
function defaultCheck(protocol: Protocol): ServiceCheckOptions | undefined {
  return protocol === 'grpc' || protocol === 'grpcs' ? { type: 'tcp' } : undefined;
}

interface Address {
  readonly protocol: Protocol;
  readonly host: string;
  readonly port: number;
  readonly path: string;
}

function readAddress(
  fields: EntityFields,
  upstream: ImportedUpstream | undefined,
  warn: ServiceContext['warn'],
): Address | undefined {
  const url = readUrl(fields, warn);
  const kongProtocol = url?.protocol ?? fields.oneOf('protocol', Object.keys(PROTOCOLS)) ?? 'http';
  const host = url?.host ?? fields.text('host');
  const ownPort = fields.number('port', { min: 0, max: 65_535 });
  const port = url?.port ?? ownPort ?? 80;
  const path = readPath(fields, url?.path ?? fields.text('path') ?? '');
  fields.carried('host', 'services.targets');
  fields.carried('port', 'services.targets');
  fields.carried('protocol', 'services.targets');
  if (host === undefined) {
    // What is there and wrong has its problem already.
    if (!fields.node('host') && !fields.node('url')) fields.problem('host', 'expected a host, or a url');
    return undefined;
  }
  if (upstream) {
    const note = 'Kong ignores it, since the host is an upstream: the targets have ports';
    fields.dropped('port', note);
    if ((fields.own('port') ?? url) && port !== 80 && port !== 443)
      warn(fields.own('port') ? 'port' : 'url', `port ${port} has no effect: ${note}`);
  } else if (!/^[\d.]+$|:/.test(host)) {
    warn('host', `there is no upstream "${host}": one instance by that name, as Kong resolves it`);
  }
  const protocol = PROTOCOLS[kongProtocol];
  if (!protocol) {
    fields.drop(`the protocol ${kongProtocol} is not supported: keep it in Kong, or connect to it directly`);
    return undefined;
  }
  if (protocol !== kongProtocol)
    fields.approximated('protocol', 'instances over tcp: the client speaks TLS itself', 'services.targets');
  if (port === 0 && !upstream) {
    fields.problem('port', 'expected a whole number from 1 to 65535, but got 0');
    return undefined;
  }
  return { protocol, host: host.includes(':') && !host.startsWith('[') ? `[${host}]` : host, port, path };
}

/** Kong's shorthand for protocol, host, port and path, which takes precedence over them. */
function readUrl(
  fields: EntityFields,
  warn: ServiceContext['warn'],
):
  | { readonly protocol: string; readonly host: string; readonly port: number | undefined; readonly path: string }
  | undefined {
  const text = fields.text('url');
  if (text === undefined) return undefined;
  fields.carried('url', 'services.targets');
  const [, protocol = '', host = '', digits, path = ''] =
    /^([a-z_]+):\/\/(\[[^\]]+\]|[^/:?#@]+)(?::(\d+))?(\/[^?#]*)?$/.exec(text) ?? [];
  if (!Object.hasOwn(PROTOCOLS, protocol)) {
    fields.problem('url', `expected a URL such as http://users:8080/v1, but got ${JSON.stringify(text)}`);
    return undefined;
  }
  for (const name of ['protocol', 'host', 'port', 'path']) {
    if (fields.own(name)) warn(name, `${name} has no effect beside url, which says it`);
  }
  const usual = protocol === 'https' || protocol === 'grpcs' || protocol === 'wss' ? 443 : undefined;
  return { protocol, host, port: digits === undefined ? usual : Number(digits), path };
}

function readPath(fields: EntityFields, given: string): string {
  fields.carried('path', 'services.targets');
  const path = given.replace(/\/+$/, '');
  if (path === '' || isPath(path)) return path;
  const encoded = encodeURI(decodeURI(path.replaceAll(/%(?![0-9a-f]{2})/gi, '%25')));
  if (isPath(encoded)) {
    fields.approximated('path', `percent-encoded: ${encoded}`, 'services.targets');
    return encoded;
  }
  fields.problem('path', `expected a path that starts with "/" and has no "..", but got ${JSON.stringify(given)}`);
  return '';
}

function readAttempts(fields: EntityFields): { attempts: number; attemptMs: number; connectTimeoutMs: number } {
  const retries = fields.number('retries', { min: 0, max: 32_767 }) ?? 5;
  const connectMs = fields.number('connect_timeout', TIMEOUT) ?? DEFAULT_TIMEOUT_MS;
  const readMs = fields.number('read_timeout', TIMEOUT) ?? DEFAULT_TIMEOUT_MS;
  fields.number('write_timeout', TIMEOUT);
  const attempts = Math.min(retries + 1, MAX_ATTEMPTS);
  const attemptMs = Math.min(readMs, MAX_MS);
  const tooMany = retries + 1 > MAX_ATTEMPTS ? `at most ${MAX_ATTEMPTS} attempts; ` : '';
  const onStatus = 'idempotent requests are repeated on 5xx and 429 too, and retries have a budget (retry.budget)';
  fields.approximated('retries', tooMany + onStatus, 'patterns.retry.maxAttempts');
  const bounds = 'Kong bounds the time between two reads; here it bounds the whole attempt, and timeout all attempts';
  fields.approximated('read_timeout', bounds, 'patterns.attemptTimeout');
  fields.approximated('write_timeout', 'a part of attemptTimeout', 'patterns.attemptTimeout');
  const forAll = 'one for all services: the longest of them';
  fields.approximated('connect_timeout', forAll, 'transport.connectTimeout');
  return { attempts, attemptMs, connectTimeoutMs: Math.min(connectMs, MAX_MS) };
}

function readName(fields: EntityFields, { uniqueName }: ServiceContext, host: string | undefined): string {
  const given = fields.text('name');
  const wanted = (given ?? host ?? fields.entity.name).replace(/[^A-Za-z0-9._-]+/g, '-').slice(0, 120);
  const usable = wanted.replace(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, '');
  const name = uniqueName(isServiceName(usable) ? usable : 'service');
  if (name === given) fields.carried('name', 'services.name');
  else fields.approximated('name', `names have letters, digits, ".", "_" and "-": ${name}`, 'services.name');
  return name;
}

function readServiceTls(
  fields: EntityFields,
  { upstream, certificate, authorities, warn, onCertificate }: ServiceContext,
  protocol: Protocol | undefined,
): TlsOptions | undefined {
  const verify = fields.boolean('tls_verify');
  const own = certificate ?? upstream?.certificate;
  const to = 'transport.tls.services';
  fields.number('tls_verify_depth', { min: 0, max: 64 });
  fields.dropped('tls_verify_depth', 'chains of any length are verified');
  fields.dropped('tls_sans', `${to}.<name>.identity says which names a certificate must have`);
  for (const name of ['client_certificate', 'ca_certificates']) fields.carried(name, to);
  fields.carried('tls_verify', `${to}.rejectUnauthorized`);
  const ofTls = ['client_certificate', 'tls_verify', 'ca_certificates'].filter((name) => fields.own(name));
  if (protocol !== 'https') {
    for (const name of ofTls) {
      fields.dropped(name, 'without effect: the protocol is not https');
      warn(name, `${name} has no effect: the protocol is not https`);
    }
    return undefined;
  }
  if (verify === false)
    warn('tls_verify', 'certificates are not verified, as in Kong: anyone can impersonate the service');
  if (verify === undefined) warn('protocol', 'certificates are verified, which Kong does only with tls_verify: true');
  const tls: TlsOptions = {
    ...(verify === false && { rejectUnauthorized: false }),
    ...readPems(fields, 'ca_certificates', authorities, onCertificate, ([ca]) => ({ ca: [...ca!] })),
    ...(own &&
      readPems(
        fields,
        'client_certificate',
        [own],
        onCertificate,
        ([cert, key]) => ({ cert: cert![0]!, key: key![0]! }),
        ['cert', 'key'],
      )),
  };
  return Object.keys(tls).length > 0 ? tls : undefined;
}

/** The PEM of certificates, if they can be used: a reference to a vault cannot. */
function readPems(
  fields: EntityFields,
  field: string,
  entities: readonly KongEntity[],
  onCertificate: ServiceContext['onCertificate'],
  make: (pems: readonly (readonly string[])[]) => TlsOptions,
  names: readonly string[] = ['cert'],
): TlsOptions {
  if (entities.length === 0) return {};
  const pems = names.map((name) =>
    entities.map((entity) => {
      const value = entity.fields.get(name)?.value;
      return typeof value === 'string' ? value : '';
    }),
  );
  const isPem = pems.flat().every((pem) => pem.includes('-----BEGIN '));
  const tls = make(pems);
  const check = new OptionValidator();
  if (isPem) readTls(check, 'tls', tls);
  if (isPem && check.problems.length === 0) {
    entities.forEach(onCertificate);
    return tls;
  }
  fields.dropped(
    field,
    'no usable PEM, such as a reference to a vault: set transport.tls.services to the paths of files',
  );
  return {};
}

/** Undefined, and a problem, if the module would not accept the service. */
function checked(
  fields: EntityFields,
  listed: ListedService,
  check: ServiceCheckOptions | undefined,
): readonly ServiceRegistration[] | undefined {
  try {
    const registrations = readListedServices([listed], 'services');
    if (check) resolveHealthCheckOptions({ services: { [listed.name]: check } });
    return registrations;
  } catch (error) {
    if (!(error instanceof InvalidConfigurationError)) throw error;
    for (const { path, expected } of error.problems)
      fields.problem('host', `as an option of this package, ${path}: expected ${expected}`);
    return undefined;
  }
}
