import { type Duration, OptionValidator, type TlsByService } from '../../common/index.js';
import { DEFAULT_MAX_RESPONSE_SIZE } from '../body-source.js';
import { readTransportTls, type TransportTlsOptions } from '../tls.js';

/** The longest duration: undici passes these to Node timers, which take no longer ones. */
const LONGEST_MS = 86_400_000;

/** What comes along with a response's head is collected before anybody asks for it, and is less than the least limit. */
export const MAX_RESPONSE_SIZE_RANGE = { min: 131_072, max: 1_073_741_824, integer: true };

/** Connections of the default transport: how many, and for how long. */
export interface UndiciTransportOptions {
  /**
   * The most connections to one instance, 1 to 65535. Further requests wait for a free connection while their deadline
   * runs.
   * @default 256
   */
  connections?: number;
  /**
   * How many connections are opened ahead to an instance that joins a service, 0 to 16. Only if this process has open
   * connections to at least half of the other instances, so that it would soon open one anyway; otherwise thousands of
   * occasional callers would all connect to each new instance. At most 64 in total; each is closed if it is not used
   * within `keepAliveTimeout`.
   * @default 1
   */
  warmConnections?: number;
  /** The timeout for opening a connection, including TLS: 1 ms to 1 day. @default '5s' */
  connectTimeout?: Duration;
  /**
   * How long an idle connection is kept: 1 ms to 1 day. A `keep-alive` hint of the server takes precedence. Keep it
   * shorter than the timeout of the servers (5 s in Node), otherwise a request may be sent on a connection that is
   * being closed.
   * @default '4s'
   */
  keepAliveTimeout?: Duration;
  /** How long a response body may make no progress while it is read: up to 1 day, 0 for no limit. @default '300s' */
  bodyTimeout?: Duration;
  /**
   * How much of a response body may be read into memory, in bytes: 128 KiB to 1 GiB. A longer one fails with
   * `RESPONSE_TOO_LARGE`, unless it is read as a stream.
   * @default 16 MiB
   */
  maxResponseSize?: number;
  /** How long `close` waits for requests in flight before it aborts them: up to 1 day. @default '10s' */
  closeTimeout?: Duration;
  /**
   * TLS settings for instances registered with the protocol `https`, also per service.
   * @default the CAs that Node trusts, no client certificate
   */
  tls?: TransportTlsOptions;
}

export const DEFAULT_UNDICI_TRANSPORT_OPTIONS: Readonly<Required<Omit<UndiciTransportOptions, 'tls'>>> = {
  connections: 256,
  warmConnections: 1,
  connectTimeout: '5s',
  keepAliveTimeout: '4s',
  bodyTimeout: '300s',
  maxResponseSize: DEFAULT_MAX_RESPONSE_SIZE,
  closeTimeout: '10s',
};

/** The options in milliseconds, with files read. */
export interface ResolvedUndiciTransportOptions {
  readonly connections: number;
  readonly warmConnections: number;
  readonly connectTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly bodyTimeoutMs: number;
  readonly maxResponseSize: number;
  readonly closeTimeoutMs: number;
  readonly tls: TlsByService;
}

/**
 * Fills in the defaults.
 * @param path prefix of option names in error messages, such as `transport`
 * @throws InvalidConfigurationError naming every wrong option
 */
export function resolveUndiciTransportOptions(
  options?: UndiciTransportOptions,
  path = 'transport',
): ResolvedUndiciTransportOptions {
  const check = new OptionValidator(path);
  const given = check.options<UndiciTransportOptions & typeof DEFAULT_UNDICI_TRANSPORT_OPTIONS>(
    '',
    options,
    DEFAULT_UNDICI_TRANSPORT_OPTIONS,
    ['tls'],
  );
  const resolved = {
    connections: check.number('connections', given.connections, { min: 1, max: 65_535, integer: true }),
    warmConnections: check.number('warmConnections', given.warmConnections, { min: 0, max: 16, integer: true }),
    connectTimeoutMs: check.duration('connectTimeout', given.connectTimeout, { minMs: 1, maxMs: LONGEST_MS }),
    keepAliveTimeoutMs: check.duration('keepAliveTimeout', given.keepAliveTimeout, { minMs: 1, maxMs: LONGEST_MS }),
    bodyTimeoutMs: check.duration('bodyTimeout', given.bodyTimeout, { maxMs: LONGEST_MS }),
    maxResponseSize: check.number('maxResponseSize', given.maxResponseSize, MAX_RESPONSE_SIZE_RANGE),
    closeTimeoutMs: check.duration('closeTimeout', given.closeTimeout, { maxMs: LONGEST_MS }),
    tls: readTransportTls(check, 'tls', given.tls),
  };
  check.throwIfAny();
  return resolved;
}
