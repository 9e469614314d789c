import { type Duration, type TlsOptions } from '../../common/index.js';
import { type HttpProtocol } from '../protocol.js';

/** A status, or the first and last of a range. */
export type StatusRange = number | readonly [from: number, to: number];

/** JSON values other than objects and arrays. */
export type JsonScalar = string | number | boolean | null;

/**
 * Condition on the body of a healthy response: a text anywhere in it, or a value at a path in its JSON. The path joins
 * names by dots and addresses array elements by index: `checks.0.status`.
 */
export type BodyCondition =
  | { readonly contains: string }
  | {
      readonly path: string;
      /** The expected value, or a list of accepted values. */
      readonly equals: JsonScalar | readonly JsonScalar[];
    };

export const CHECK_TYPES = ['http', 'tcp', 'grpc', 'alias', 'custom'] as const;

/**
 * How an instance is checked: `http` sends a request, over TLS for the protocols `https` and `wss`; `tcp` only opens a
 * connection; `grpc` calls `grpc.health.v1.Health/Check`; `alias` takes over the health of another service; `custom`
 * calls a function of the checking process.
 */
export type CheckType = (typeof CHECK_TYPES)[number];

/** Methods that a registration may request: those without side effects. */
export const SAFE_METHODS = ['GET', 'HEAD', 'OPTIONS'] as const;

/**
 * An instance's own check settings. They override those of the checking process; absent fields are taken from there.
 * Plain JSON, since it is part of the registration, and visible to everyone who can read the registry.
 */
export interface HealthCheckSpec {
  /** @default 'http' if there is a health endpoint, else 'grpc' for the protocols `grpc` and `grpcs`, else 'tcp' */
  readonly type?: CheckType;

  /** Time between two checks. From 1 s to 1 day, like the other intervals. */
  readonly interval?: Duration;
  /** The same while results count towards a change of status. */
  readonly changingInterval?: Duration;
  /** The same while it is unhealthy. */
  readonly downInterval?: Duration;
  /** The same while it receives no calls. */
  readonly idleInterval?: Duration;
  /** Fraction of the interval by which each check is moved earlier or later. From 0 to 0.5. */
  readonly jitter?: number;
  /** Timeout of one check. From 10 ms to 1 minute, at most the interval. */
  readonly timeout?: Duration;
  /** Consecutive successes that make it healthy again. An integer from 1 to 255. */
  readonly rise?: number;
  /**
   * Consecutive failures that make it unhealthy, except for kinds with a threshold of their own. An integer from 1 to
   * 255.
   */
  readonly fall?: number;
  /** Threshold for unhealthy responses, counted separately. An integer from 0 (ignored) to 255. */
  readonly httpFailures?: number;
  /** Threshold for connections that fail or break, counted separately. An integer from 0 to 255. */
  readonly tcpFailures?: number;
  /** Threshold for checks that time out, counted separately. An integer from 0 to 255. */
  readonly timeouts?: number;

  /** Port to check, if not the service's: 1 to 65535. */
  readonly port?: number;
  /** Protocol to use there, if not the service's; `https` for gRPC over TLS. */
  readonly protocol?: HttpProtocol;
  /** TLS settings for the check, except certificates and keys, which the checking process holds. */
  readonly tls?: Pick<TlsOptions, 'servername' | 'rejectUnauthorized'>;

  /** HTTP: absolute path to request, not relative to the `path` of the service. @default its `healthCheckPath` */
  readonly path?: string;
  /** HTTP: one of `GET`, `HEAD`, `OPTIONS`. @default 'GET' */
  readonly method?: string;
  /** HTTP: at most 32 headers of at most 1,024 printable characters, and 8 KiB in all. */
  readonly headers?: Readonly<Record<string, string>>;
  /** HTTP: the host header, such as `users.internal` or `users.internal:8080`. */
  readonly host?: string;
  /** HTTP: statuses of a healthy response. */
  readonly healthyStatuses?: readonly StatusRange[];
  /** HTTP: statuses of an unhealthy response. A status in neither list is ignored. */
  readonly unhealthyStatuses?: readonly StatusRange[];
  /** HTTP: condition on the body of a healthy response. */
  readonly body?: BodyCondition;

  /** gRPC: the service name to request. @default '', which stands for the whole server */
  readonly grpcService?: string;
  /** Alias: the service whose health is taken over. */
  readonly aliasOf?: string;
  /** Custom check: its name in the options of the checking process. */
  readonly probe?: string;
}
