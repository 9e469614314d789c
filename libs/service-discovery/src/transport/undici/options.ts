import { type Duration, OptionValidator, type TlsByService } from '../../common/index.js';
import { readTransportTls, type TransportTlsOptions } from '../tls.js';

/** Undici arms Node's timers with these, and Node takes no longer ones. */
const LONGEST_MS = 86_400_000;

export interface UndiciTransportOptions {
  /**
   * The most connections to one instance, from 1 to 65535. A request beyond them waits for a connection to come free,
   * and its deadline runs meanwhile.
   * @default 256
   */
  connections?: number;
  /**
   * How many connections are opened ahead to an instance that joins a service, from 0 to 16. Only where this process has
   * connections open to half of the others at least, so that it would open one within moments anyhow: thousands of
   * callers, most of whom call now and then, do not all meet a new instance with a handshake. Never more than 64 in all,
   * and each is closed when it is not used within `keepAliveTimeout`.
   * @default 1
   */
  warmConnections?: number;
  /** How long a connection may take to open, TLS included: 1 ms to 1 day. @default '5s' */
  connectTimeout?: Duration;
  /**
   * How long an idle connection is kept: 1 ms to 1 day. A server's own `keep-alive` hint goes first. It should be
   * shorter than the servers' timeout (5 s in Node), else a request may meet a connection that is just being closed.
   * @default '4s'
   */
  keepAliveTimeout?: Duration;
  /** How long a response's body may stand still while it is being read: up to 1 day, 0: for ever. @default '300s' */
  bodyTimeout?: Duration;
  /** How long `close` waits for what is in flight before it cuts it off: up to 1 day. @default '10s' */
  closeTimeout?: Duration;
  /**
   * How instances are called that registered with the protocol `https`, also for each service by itself.
   * @default what Node trusts, and no certificate for this process
   */
  tls?: TransportTlsOptions;
}

export const DEFAULT_UNDICI_TRANSPORT_OPTIONS: Readonly<Required<Omit<UndiciTransportOptions, 'tls'>>> = {
  connections: 256,
  warmConnections: 1,
  connectTimeout: '5s',
  keepAliveTimeout: '4s',
  bodyTimeout: '300s',
  closeTimeout: '10s',
};

/** The options in milliseconds, with files read. */
export interface ResolvedUndiciTransportOptions {
  readonly connections: number;
  readonly warmConnections: number;
  readonly connectTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly bodyTimeoutMs: number;
  readonly closeTimeoutMs: number;
  readonly tls: TlsByService;
}

/**
 * Fills in the defaults.
 * @param path what stands before an option's name in a problem, such as `transport`
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
    closeTimeoutMs: check.duration('closeTimeout', given.closeTimeout, { maxMs: LONGEST_MS }),
    tls: readTransportTls(check, 'tls', given.tls),
  };
  check.throwIfAny();
  return resolved;
}
