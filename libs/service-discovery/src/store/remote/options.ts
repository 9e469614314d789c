import {
  custom,
  duration,
  type GivenOptionsOf,
  isRecord,
  OptionGroup,
  SERVER_TLS,
  readTokens,
  required,
  TOKEN,
  withMaskedPassword,
  type TlsByService,
} from '../../common/index.js';

/** Headers for every request, or a function that returns them for each request, for example with a renewed token. */
export type RegistryHeaders =
  | Readonly<Record<string, string>>
  | (() => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>);

type MakeHeaders = () => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>;

export function isMountPath(value: unknown): value is string {
  return typeof value === 'string' && /^[\w.~-]+(?:\/[\w.~-]+)*$/.test(value);
}

/** The path of the REST API. */
export const MOUNT_PATH = custom<string>({
  default: 'service-discovery',
  range: 'a path',
  read: (value, path, check) => {
    const expected = 'a path such as "service-discovery", without slashes at its ends';
    if (!isMountPath(value)) check.problem(path, value, expected);
    return value as string;
  },
});

/** Where the registry is, and how to reach it. */
export const REMOTE_REGISTRY_STORE_OPTIONS = new OptionGroup(
  'remote',
  {
    /** Such as `http://registry:3000`, with a path if the registry's app is mounted below one. */
    url: required<string, URL>({
      range: 'an `http` or `https` URL',
      read: (value, path, check) => {
        const base = baseOf(value);
        const expected = 'a URL such as "http://registry:3000", without credentials, query and fragment';
        if (!base) check.problem(path, withMaskedPassword(value), expected);
        // What is wrong is reported, so that nothing goes on with undefined.
        return base!;
      },
    }),
    /**
     * The mount path of the registry's REST API below the URL, without leading or trailing slashes.
     * @default 'service-discovery'
     */
    path: MOUNT_PATH,
    /**
     * The secret that the registry shares with its clients (its `api.token`), sent as `Authorization: Bearer <token>`. Of
     * a comma-separated list the first is sent, so that all processes may have the same list. An `authorization` header
     * in `headers` takes precedence.
     * @default none
     */
    token: TOKEN,
    /** Sent with every request, such as `{ authorization: 'Bearer …' }` for the registry's guard. @default none */
    headers: custom<RegistryHeaders, MakeHeaders>({
      default: {},
      range: 'an object, or a function that makes one',
      read: (value, path, check) => {
        if (typeof value === 'function') return value as MakeHeaders;
        const expected = 'an object of header names and texts, or a function that makes one';
        if (!isHeaders(value)) check.problem(path, typeof value, expected);
        return () => value as Readonly<Record<string, string>>;
      },
    }),
    /** The timeout of a request and of opening a watch: 1 ms to 10 minutes. @default '5s' */
    requestTimeout: duration({ default: '5s', minMs: 1, maxMs: 600_000 }),
    /** For an `https` URL: a CA of your own, a client certificate, whose certificate to expect. @default the CAs that Node trusts */
    tls: SERVER_TLS,
  },
  (_resolved, { url, tls }, check) => {
    const base = baseOf(url);
    if (tls === undefined || base?.protocol !== 'http:') return;
    const expected = `a URL that begins with https, which ${base.origin} does not: write https://, or leave tls out`;
    check.problem('tls', 'options', expected);
  },
);

/** Where the registry is, and how to reach it. */
export interface RemoteRegistryStoreOptions extends GivenOptionsOf<typeof REMOTE_REGISTRY_STORE_OPTIONS> {}

export interface ResolvedRemoteRegistryStoreOptions {
  /** `http://registry:3000` */
  readonly origin: string;
  /** `/service-discovery`, with the path of the URL before it. */
  readonly basePath: string;
  readonly headers: MakeHeaders;
  readonly requestTimeoutMs: number;
  readonly tls: TlsByService;
}

/**
 * Fills in the defaults.
 * @param at prefix of option names in error messages, such as `remote`
 * @throws InvalidConfigurationError naming every wrong option
 */
export function resolveRemoteRegistryStoreOptions(
  given: RemoteRegistryStoreOptions,
  at = '',
): ResolvedRemoteRegistryStoreOptions {
  const { url, path, token, headers, requestTimeout, tls } = REMOTE_REGISTRY_STORE_OPTIONS.resolve(given, at);
  return {
    origin: url.origin,
    basePath: `${url.pathname.replace(/\/+$/, '')}/${path}`,
    headers: withToken(readTokens(token)?.[0], headers),
    requestTimeoutMs: requestTimeout,
    tls,
  };
}

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
