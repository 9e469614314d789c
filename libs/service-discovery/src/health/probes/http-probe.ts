import { type Socket } from 'node:net';
import { type TlsSettings } from '../../common/index.js';
import {
  type BodyCondition,
  DEFAULT_HEALTH_CHECK_PATH,
  type HttpProtocol,
  isSecure,
  type ServiceInstance,
} from '../../model/index.js';
import { type BodyPredicate, findBodyProblem } from './body-condition.js';
import { type ConnectionDeps, openConnection } from './tcp-probe.js';
import { askOver, bodyOf, type HttpAnswer } from './http-exchange.js';
import { connectionFailure, type Probe, type ProbeResult } from './probe.js';

/** Inclusive ranges of HTTP statuses. */
type StatusRanges = readonly (readonly [from: number, to: number])[];

/** Request of an HTTP check, and which response is healthy. */
export interface HttpProbeSettings {
  /** @default 'GET' */
  readonly method?: string;
  /** Absolute, without the instance's base path. @default the instance's `healthCheckPath`, or `/health` */
  readonly path?: string;
  /** Lower-case names. @default only the library's own */
  readonly headers?: Readonly<Record<string, string>>;
  /** The host header. @default the instance's host and port */
  readonly host?: string;
  /** @default the instance's port */
  readonly port?: number;
  /** @default the instance's */
  readonly protocol?: HttpProtocol;
  readonly healthyStatuses: StatusRanges;
  /** A status in neither list is inconclusive. @default all that are not healthy */
  readonly unhealthyStatuses?: StatusRanges;
  /** Condition on the body of a healthy response. */
  readonly body?: BodyCondition | BodyPredicate;
  /** How many bytes of a body are read. */
  readonly bodyLimit: number;
  readonly tls?: TlsSettings;
}

const ALPN_PROTOCOLS = ['http/1.1'];

/** Sends `<method> <path>` over a connection of its own. Follows no redirects and never throws. */
export class HttpProbe implements Probe {
  private readonly headers: Readonly<Record<string, string>>;

  constructor(
    private readonly settings: HttpProbeSettings,
    private readonly deps: ConnectionDeps = {},
  ) {
    this.headers = {
      accept: 'application/json, */*;q=0.5',
      'accept-encoding': 'identity',
      'user-agent': 'nest-service-discovery-health-check',
      ...settings.headers,
    };
  }

  async check(instance: ServiceInstance, signal: AbortSignal): Promise<ProbeResult> {
    const { method = 'GET', port = instance.port, protocol = instance.protocol, tls, bodyLimit } = this.settings;
    const overTls = isSecure(protocol);
    const path = this.settings.path ?? instance.healthCheckPath ?? DEFAULT_HEALTH_CHECK_PATH;
    const host = this.settings.host ?? hostHeader(instance.host, port, overTls);
    let socket: Socket | undefined;
    try {
      const secure = overTls ? { ...tls, alpnProtocols: ALPN_PROTOCOLS } : undefined;
      socket = await openConnection({ host: instance.host, port }, secure, signal, this.deps);
      const answer = await askOver(socket, { method, path, headers: { ...this.headers, host } }, bodyLimit, signal);
      return this.judge(answer, path);
    } catch (error) {
      return connectionFailure(error, signal, protocol === 'https' && !socket?.bytesRead);
    } finally {
      // The connection is not reused: the next check must prove that new connections still open.
      socket?.destroy();
    }
  }

  private judge(answer: HttpAnswer, path: string): ProbeResult {
    const { healthyStatuses, unhealthyStatuses, body: condition, bodyLimit } = this.settings;
    const { statusCode } = answer;
    const body = bodyOf(answer, bodyLimit);
    const { data } = body;
    if (isWithin(statusCode, healthyStatuses)) {
      const problem = body.flaw ?? (condition && findBodyProblem(body, condition));
      if (problem !== undefined) return { passed: false, kind: 'http', reason: problem, statusCode, data };
      return { passed: true, reason: body.note, statusCode, data };
    }
    const reason = describeStatus(statusCode, path);
    if (unhealthyStatuses === undefined || isWithin(statusCode, unhealthyStatuses)) {
      return { passed: false, kind: 'http', reason, statusCode, data };
    }
    return { passed: false, skipped: true, reason: `${reason} (not counted)`, statusCode, data };
  }
}

function isWithin(status: number, ranges: StatusRanges): boolean {
  return ranges.some(([from, to]) => status >= from && status <= to);
}

/** The protocol's default port is left out. */
function hostHeader(host: string, port: number, overTls: boolean): string {
  const name = host.includes(':') ? `[${host}]` : host;
  return port === (overTls ? 443 : 80) ? name : `${name}:${port}`;
}

/** The query is left out, since it may contain secrets and reasons are shown widely. */
function describeStatus(status: number, path: string): string {
  const what = `status ${status} at ${path.replace(/\?.*/s, '')}`;
  return status >= 300 && status < 400 ? `${what}: redirects are not followed` : what;
}
