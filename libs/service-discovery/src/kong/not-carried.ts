/** What to use instead of a plugin: the 20 most used ones, by name. */
const PLUGINS: Readonly<Record<string, string>> = {
  'rate-limiting':
    'rateLimit bounds what one process calls; a limit for all callers belongs into the called service, such as @nestjs/throttler',
  'rate-limiting-advanced':
    'rateLimit bounds what one process calls; a limit for all callers belongs into the called service, such as @nestjs/throttler',
  'response-ratelimiting': 'a limit in the called service, such as @nestjs/throttler',
  'key-auth': 'a Nest guard in the called service; between services, api.access and mutual TLS (transport.tls)',
  'basic-auth': 'a Nest guard in the called service',
  'hmac-auth': 'a Nest guard in the called service; between services, mutual TLS (transport.tls)',
  jwt: 'a Nest guard in the called service, such as @nestjs/jwt',
  oauth2: 'a Nest guard in the called service, with the issuer of the tokens outside',
  'openid-connect': 'a Nest guard in the called service, with the issuer of the tokens outside',
  acl: 'a Nest guard in the called service',
  cors: 'app.enableCors() of the called service; not needed between services',
  'ip-restriction': 'a guard or a firewall rule of the called service',
  'bot-detection': 'not needed between services; keep it in Kong for traffic from outside',
  'request-size-limiting': 'the limit of the body parser of the called service',
  'request-termination': 'PUT /service-discovery/services/:name/instances/:id/status with maintenance',
  'request-transformer': 'headers, query and path of the call, or an interceptor',
  'response-transformer': 'an interceptor in the called service',
  'correlation-id': 'a header of the call',
  'proxy-cache': 'a cache in the app; lastGood keeps answers for failures only',
  prometheus: 'GET /service-discovery/metrics (docs/observability.md)',
  'http-log': 'the log and the events (docs/observability.md)',
  'file-log': 'the log and the events (docs/observability.md)',
  'tcp-log': 'the log and the events (docs/observability.md)',
  'udp-log': 'the log and the events (docs/observability.md)',
  syslog: 'the log and the events (docs/observability.md)',
  datadog: 'the metrics, which an agent of Datadog scrapes (docs/observability.md)',
  statsd: 'the metrics, by an exporter (docs/observability.md)',
  zipkin: 'traces of the app (docs/observability.md)',
  opentelemetry: 'traces of the app (docs/observability.md)',
  canary: 'loadBalancing.versionWeights (docs/balancing.md)',
  'grpc-gateway': 'a gateway in the called service; calls here are HTTP',
  'grpc-web': 'not needed between services',
  'pre-function': 'an interceptor, in the calling or the called service',
  'post-function': 'an interceptor, in the calling or the called service',
  'aws-lambda': "AWS's own client in the calling service",
};
const OTHER_PLUGIN = 'no counterpart: an interceptor or a guard in the app, or keep the service in Kong';

/** What to use instead of what is no service, upstream or target. */
const KINDS: Readonly<Record<string, string>> = {
  routes:
    'not needed between services: a caller names the service and the path that it serves; keep it in Kong for traffic from outside',
  consumers: 'there are no consumers: a Nest guard in the called service knows its users',
  consumer_groups: 'there are no consumers: a Nest guard in the called service knows its users',
  certificates:
    'used by the services that name it as client_certificate; no server certificate is needed, since nothing listens',
  ca_certificates: 'used by the services that name it in ca_certificates',
  snis: 'nothing listens for traffic from outside',
  vaults: 'files or environment variables of the process',
  key_sets: 'keys belong to the app that checks tokens',
  keys: 'keys belong to the app that checks tokens',
  filter_chains: 'an interceptor, in the calling or the called service',
};
const CREDENTIAL = 'credentials of consumers: a Nest guard in the called service checks them';
const OTHER_KIND = 'no counterpart';

/** What to use instead of an entity. */
export function insteadOf(kind: string, name: string): string {
  if (kind === 'plugins') return Object.hasOwn(PLUGINS, name) ? PLUGINS[name]! : OTHER_PLUGIN;
  if (Object.hasOwn(KINDS, kind)) return KINDS[kind]!;
  return /_credentials|_secrets|^acls$/.test(kind) ? CREDENTIAL : OTHER_KIND;
}
