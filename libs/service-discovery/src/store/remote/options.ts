import {
  isRecord,
  OptionValidator,
  readServerTls,
  readTokens,
  TOKENS_RULE,
  withMaskedPassword,
  type Duration,
  type TlsByService,
  type TlsOptions,
} from '../../common/index.js';

/** Headers for every request, or a function that returns them for each request, for example with a renewed token. */
export type RegistryHeaders =
  | Readonly<Record<string, string>>
  | (() => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>);

/** Where the registry is, and how to reach it. */
export interface RemoteRegistryStoreOptions {
  /** Such as `http://registry:3000`, with a path if the registry's app is mounted below one. */
  url: string;
  /**
   * The mount path of the registry's REST API below the URL, without leading or trailing slashes.
   * @default 'service-discovery'
   */
  path?: string;
  /**
   * The secret that the registry shares with its clients (its `api.token`), sent as `Authorization: Bearer <token>`. Of
   * a comma-separated list the first is sent, so that all processes may have the same list. An `authorization` header
   * in `headers` takes precedence.
   * @default none
   */
  token?: string;
  /** Sent with every request, such as `{ authorization: 'Bearer …' }` for the registry's guard. @default none */
  headers?: RegistryHeaders;
  /** The timeout of a request and of opening a watch: 1 ms to 10 minutes. @default '5s' */
  requestTimeout?: Duration;
  /** For an `https` URL: a CA of your own, a client certificate, whose certificate to expect. @default the CAs that Node trusts */
  tls?: TlsOptions;
}

export const DEFAULT_REMOTE_REGISTRY_STORE_OPTIONS = {
  path: 'service-discovery',
  headers: {} as RegistryHeaders,
  requestTimeout: '5s' as Duration,
} satisfies Omit<RemoteRegistryStoreOptions, 'url' | 'token' | 'tls'>;

export interface ResolvedRemoteRegistryStoreOptions {
  /** `http://registry:3000` */
  readonly origin: string;
  /** `/service-discovery`, with the path of the URL before it. */
  readonly basePath: string;
  readonly headers: () => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>;
  readonly requestTimeoutMs: number;
  readonly tls: TlsByService;
}

/**
 * Fills in the defaults.
 * @param path prefix of option names in error messages, such as `remote`
 * @throws InvalidConfigurationError naming every wrong option
 */
export function resolveRemoteRegistryStoreOptions(
  options: RemoteRegistryStoreOptions,
  path = '',
): ResolvedRemoteRegistryStoreOptions {
  const check = new OptionValidator(path);
  const { url, token, tls, ...rest } = options;
  const given = check.options('', rest, DEFAULT_REMOTE_REGISTRY_STORE_OPTIONS, ['url', 'token', 'tls']);
  const base = baseOf(url);
  if (!base) {
    check.problem(
      'url',
      withMaskedPassword(url),
      'a URL such as "http://registry:3000", without credentials, query and fragment',
    );
  }
  if (typeof given.path !== 'string' || !/^[\w.~-]+(?:\/[\w.~-]+)*$/.test(given.path)) {
    check.problem('path', given.path, 'a path such as "service-discovery", without slashes at its ends');
  }
  const tokens = token === undefined ? undefined : readTokens(token);
  if (token !== undefined && !tokens) check.problem('token', '***', TOKENS_RULE);
  const { headers } = given;
  if (typeof headers !== 'function' && !isHeaders(headers)) {
    check.problem('headers', typeof headers, 'an object of header names and texts, or a function that makes one');
  }
  if (tls !== undefined && base?.protocol === 'http:') {
    check.problem(
      'tls',
      'options',
      `a URL that begins with https, which ${base.origin} does not: write https://, or leave tls out`,
    );
  }
  const requestTimeoutMs = check.duration('requestTimeout', given.requestTimeout, { minMs: 1, maxMs: 600_000 });
  const material = readServerTls(check, 'tls', tls);
  check.throwIfAny();
  return {
    origin: base?.origin ?? '',
    basePath: `${base?.pathname.replace(/\/+$/, '') ?? ''}/${given.path}`,
    headers: withToken(tokens?.[0], typeof headers === 'function' ? headers : () => headers),
    requestTimeoutMs,
    tls: material,
  };
}

type MakeHeaders = ResolvedRemoteRegistryStoreOptions['headers'];

function withToken(token: string | undefined, make: MakeHeaders): MakeHeaders {
  if (token === undefined) return make;
  return async () => {
    const headers = await make();
    const isAuthorized = Object.keys(headers).some((name) => name.toLowerCase() === 'authorization');
    return isAuthorized ? headers : { ...headers, authorization: `Bearer ${token}` };
  };
}

function baseOf(url: unknown): URL | undefined {
  if (typeof url !== 'string' || !URL.canParse(url)) return undefined;
  const base = new URL(url);
  const plain = base.username === '' && base.password === '' && base.search === '' && base.hash === '';
  return plain && (base.protocol === 'http:' || base.protocol === 'https:') ? base : undefined;
}

function isHeaders(value: unknown): boolean {
  return isRecord(value) && Object.values(value).every((text) => typeof text === 'string');
}
