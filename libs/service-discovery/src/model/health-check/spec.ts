import { type Duration, type TlsOptions } from '../../common/index.js';
import { type HttpProtocol } from '../protocol.js';

/** A status code, or the first and the last one of a range. */
export type StatusRange = number | readonly [from: number, to: number];

/** What JSON holds beside objects and lists. */
export type JsonScalar = string | number | boolean | null;

/**
 * What the body of a healthy answer holds: a text anywhere in it, or a value at a place in its JSON. Names on the way to
 * the place are joined by dots, elements of a list go by their number: `checks.0.status`.
 */
export type BodyCondition =
  | { readonly contains: string }
  | {
      readonly path: string;
      /** The value, or a list of those that will do. */
      readonly equals: JsonScalar | readonly JsonScalar[];
    };

export const CHECK_TYPES = ['http', 'tcp', 'grpc', 'alias', 'custom'] as const;

/**
 * How an instance is checked: `http` asks for an answer, over TLS where the protocol is `https` or `wss`; `tcp` is content with a
 * connection that opens; `grpc` asks `grpc.health.v1.Health/Check`; `alias` goes by the health of another service;
 * `custom` calls a function that the checking process knows.
 */
export type CheckType = (typeof CHECK_TYPES)[number];

/** The methods that a registration may ask for: those that change nothing. */
export const SAFE_METHODS = ['GET', 'HEAD', 'OPTIONS'] as const;

/**
 * What an instance says of how it is to be checked. It goes before what the checking process is set to; what it leaves
 * out is as there. Plain JSON, since it travels with the registration; whoever may read all of the registry reads it.
 */
export interface HealthCheckSpec {
  /** @default 'http' where there is a path to ask for, else 'grpc' for the protocols `grpc` and `grpcs`, else 'tcp' */
  readonly type?: CheckType;

  /** Time between two checks. From 1 s to 1 day, as the other intervals. */
  readonly interval?: Duration;
  /** The same while results count towards a change of status. */
  readonly changingInterval?: Duration;
  /** The same while it is unhealthy. */
  readonly downInterval?: Duration;
  /** The same while nobody calls it. */
  readonly idleInterval?: Duration;
  /** The share of the interval by which each check comes earlier or later. From 0 to 0.5. */
  readonly jitter?: number;
  /** How long one check may take. From 10 ms to 1 minute, and no longer than the interval. */
  readonly timeout?: Duration;
  /** Successes in a row that make it healthy again. A whole number from 1 to 255. */
  readonly rise?: number;
  /** Failures in a row that make it unhealthy, of all kinds that have no number of their own. A whole number from 1 to 255. */
  readonly fall?: number;
  /** The same of answers that are not healthy, counted apart. A whole number from 0, which lets them count for nothing, to 255. */
  readonly httpFailures?: number;
  /** The same of connections that could not be made, or broke. A whole number from 0 to 255. */
  readonly tcpFailures?: number;
  /** The same of checks that timed out. A whole number from 0 to 255. */
  readonly timeouts?: number;

  /** Where to ask, if not at the port of the service: 1 to 65535. */
  readonly port?: number;
  /** How to ask there, if not in the protocol of the service; `https` for gRPC over TLS. */
  readonly protocol?: HttpProtocol;
  /** What the certificate of the instance must be: of what the checking process is set to, all but certificates and keys. */
  readonly tls?: Pick<TlsOptions, 'servername' | 'rejectUnauthorized'>;

  /** Of HTTP: where to ask, from the root of the host, not below the `path` of the service. @default its `healthCheckPath` */
  readonly path?: string;
  /** Of HTTP: one of `GET`, `HEAD`, `OPTIONS`. @default 'GET' */
  readonly method?: string;
  /** Of HTTP: at most 32 headers of at most 1,024 printable characters, and 8 KiB in all. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Of HTTP: the host header, such as `users.internal` or `users.internal:8080`. */
  readonly host?: string;
  /** Of HTTP: the statuses of a healthy answer. */
  readonly healthyStatuses?: readonly StatusRange[];
  /** Of HTTP: the statuses of an unhealthy answer. One that is in neither list counts neither way. */
  readonly unhealthyStatuses?: readonly StatusRange[];
  /** Of HTTP: what the body of a healthy answer holds. */
  readonly body?: BodyCondition;

  /** Of gRPC: the name that is asked for. @default the empty name, which stands for the server as a whole */
  readonly grpcService?: string;
  /** Of an alias: the service that it is as healthy as. */
  readonly aliasOf?: string;
  /** Of a custom check: its name in the options of the checking process. */
  readonly probe?: string;
}
