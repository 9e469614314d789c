import { count, duration, OptionGroup, type OptionsOf, type ResolvedOf } from '../../common/index.js';
import { DEFAULT_MAX_RESPONSE_SIZE } from '../body-source.js';
import { TRANSPORT_TLS } from '../tls.js';

/** The longest duration: undici passes these to Node timers, which take no longer ones. */
const LONGEST_MS = 86_400_000;

/** What arrives with a response's head is collected before it is asked for, and is less than this. */
const LEAST_MAX_SIZE = 131_072;

/** Connections of the default transport: how many, and for how long. */
export const UNDICI_TRANSPORT_OPTIONS = new OptionGroup('transport', {
  /**
   * The most connections to one instance, 1 to 65535. Further requests wait for a free connection while their deadline
   * runs.
   * @default 256
   */
  connections: count({ default: 256, min: 1, max: 65_535 }),
  /**
   * How many connections are opened ahead to an instance that joins a service, 0 to 16. Only if this process has open
   * connections to at least half of the other instances, so that it would soon open one anyway; otherwise thousands of
   * occasional callers would all connect to each new instance. At most 64 in total; each is closed if it is not used
   * within `keepAliveTimeout`.
   * @default 1
   */
  warmConnections: count({ default: 1, min: 0, max: 16 }),
  /** The timeout for opening a connection, including TLS: 1 ms to 1 day. @default '5s' */
  connectTimeout: duration({ default: '5s', minMs: 1, maxMs: LONGEST_MS }),
  /**
   * How long an idle connection is kept: 1 ms to 1 day. A `keep-alive` hint of the server takes precedence. Keep it
   * shorter than the timeout of the servers (5 s in Node), otherwise a request may be sent on a connection that is
   * being closed.
   * @default '4s'
   */
  keepAliveTimeout: duration({ default: '4s', minMs: 1, maxMs: LONGEST_MS }),
  /** How long a response body may make no progress while it is read: up to 1 day, 0 for no limit. @default '300s' */
  bodyTimeout: duration({ default: '300s', maxMs: LONGEST_MS }),
  /**
   * TLS settings for instances registered with the protocol `https`, also per service.
   * @default the CAs that Node trusts, no client certificate
   */
  tls: TRANSPORT_TLS,
  /**
   * How much of a response body may be read into memory, in bytes: 128 KiB to 1 GiB. A longer one fails with
   * `RESPONSE_TOO_LARGE`, unless it is read as a stream.
   * @default 16 MiB
   */
  maxResponseSize: count({ default: DEFAULT_MAX_RESPONSE_SIZE, min: LEAST_MAX_SIZE, max: 1_073_741_824 }),
  /** How long `close` waits for requests in flight before it aborts them: up to 1 day. @default '10s' */
  closeTimeout: duration({ default: '10s', maxMs: LONGEST_MS }),
});

/** Connections of the default transport: how many, and for how long. */
export interface UndiciTransportOptions extends Partial<OptionsOf<typeof UNDICI_TRANSPORT_OPTIONS>> {}

/** The options in milliseconds, with files read. */
export type ResolvedUndiciTransportOptions = ResolvedOf<typeof UNDICI_TRANSPORT_OPTIONS>;
