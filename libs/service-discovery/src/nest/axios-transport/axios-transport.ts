import { Agent } from 'node:https';
import { type LookupFunction } from 'node:net';
import { finished, Readable } from 'node:stream';
import { type HttpService } from '@nestjs/axios';
import { type AxiosRequestConfig, type AxiosResponse } from 'axios';
import {
  certificateCode,
  type Clock,
  messageOf,
  ServiceDiscoveryError,
  type ServiceTls,
  TransportError,
  unansweredHint,
} from '../../common/index.js';
import { HostNotAllowedError, HostPolicy, originOf, type ServiceInstance } from '../../model/index.js';
import {
  bodyOf,
  outgoingBodyOf,
  sendFailure,
  type ServiceRequest,
  type ServiceResponse,
  targetDetails,
  targetOf,
  targetText,
  type Transport,
} from '../../transport/index.js';
import { checkOutgoing, invalid } from './outgoing.js';

/** The connection never opened, so the server did not receive the request. */
const NEVER_SENT: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
]);

/**
 * Sends through the app's own `HttpService`, with its interceptors, agents and defaults; for apps whose interceptors
 * sign or trace every request. Slower than undici. Redirects are not followed, and statuses and bodies arrive as sent.
 * Connections are the agents' own: closing the transport waits for what is in flight, and closes none but those over the
 * TLS that is set here. The addresses of names are checked unless the `HttpService` or its agent has a `lookup` of its own.
 */
export class AxiosTransport implements Transport {
  private http: HttpService | undefined;
  /** Responses whose headers are still to come. */
  private readonly awaited = new Set<Promise<unknown>>();
  /** Responses whose bodies have not been fully read. */
  private readonly open = new Set<Readable>();
  private closed = false;
  /** In place of the app's own agent where there are TLS settings: by service where it has its own. */
  private readonly agents = new Map<string, Agent>();
  private readonly hosts: HostPolicy;
  private readonly lookup: LookupFunction;
  /** Instances whose hosts were found to be allowed, so that they are not checked at each call. */
  private readonly allowed = new WeakSet<ServiceInstance>();

  /**
   * @param resolve finds the service; asked at the first request, when all of the app's providers exist
   * @param deps.closeTimeoutMs how long `close` waits before it cuts off what is in flight
   * @param deps.maxBytes how much of a response body may be read into memory @default 16 MiB
   * @param deps.tls how services are called that registered with `https`. @default as the app's `httpsAgent` says
   * @param deps.hosts where connections may go @default everywhere but to forbidden hosts
   * @param deps.lookup @default the system's resolver
   */
  constructor(
    private readonly resolve: () => HttpService | Promise<HttpService>,
    private readonly deps: {
      readonly clock: Clock;
      readonly closeTimeoutMs: number;
      readonly maxBytes?: number;
      readonly tls?: ServiceTls;
      readonly hosts?: HostPolicy;
      readonly lookup?: LookupFunction;
    },
  ) {
    this.hosts = deps.hosts ?? new HostPolicy();
    this.lookup = this.hosts.guard(deps.lookup);
    deps.tls?.onRotated(() => {
      for (const agent of this.agents.values()) retire(agent);
      this.agents.clear();
    });
  }

  async send(to: ServiceInstance, request: ServiceRequest, signal?: AbortSignal): Promise<ServiceResponse> {
    const body = outgoingBodyOf(request.body);
    let bodyError: unknown;
    if (body instanceof Readable) body.once('error', (error) => (bodyError = error));
    try {
      signal?.throwIfAborted();
      const { method, path } = request;
      const { maxBytes } = this.deps;
      const source = { service: to.serviceName, instanceId: to.instanceId, method, path, maxBytes };
      if (this.closed) throw new TransportError('The transport is closed', true, source);
      checkOutgoing(request, body, to);
      this.checkHost(to);
      this.http ??= await this.resolve();
      const { status, headers, data } = await this.track(this.exchange(this.http, to, { ...request, body }, signal));
      return { status, headers: plain(headers), body: bodyOf(data, { ...source, status, signal }) };
    } catch (error) {
      if (body instanceof Readable) body.destroy();
      if (signal?.aborted) throw signal.reason;
      if (bodyError !== undefined) throw invalid(`its body failed: ${messageOf(bodyError)}`, to, bodyError);
      throw toFailure(error, to, request);
    }
  }

  /** Waits for what is in flight, bodies included, for up to `closeTimeoutMs`; then cuts it off. */
  async close(): Promise<void> {
    this.closed = true;
    this.deps.tls?.close();
    const timer = this.deps.clock.setTimer(() => {
      for (const stream of this.open) stream.destroy();
    }, this.deps.closeTimeoutMs);
    await Promise.allSettled(this.awaited);
    await Promise.all([...this.open].filter((stream) => !hasArrived(stream)).map(untilFinished));
    timer.cancel();
    for (const agent of this.agents.values()) agent.destroy();
  }

  private checkHost(to: ServiceInstance): void {
    if (this.allowed.has(to)) return;
    this.hosts.assertAllowed(to.host);
    this.allowed.add(to);
  }

  private exchange(
    http: HttpService,
    to: ServiceInstance,
    { method, headers, body, ...request }: ServiceRequest,
    signal: AbortSignal | undefined,
  ): Promise<AxiosResponse<Readable>> {
    return http.axiosRef.request<Readable>({
      url: originOf(to) + targetOf(to, request),
      // An app's base URL is only for its own calls.
      baseURL: undefined,
      httpsAgent: this.agentFor(to),
      lookup: http.axiosRef.defaults.lookup ?? (this.lookup as AxiosRequestConfig['lookup']),
      method,
      headers: withoutContentType(headers, body),
      data: body,
      signal,
      timeout: 0,
      responseType: 'stream',
      maxRedirects: 0,
      maxContentLength: Infinity,
      maxBodyLength: Infinity,
      decompress: false,
      validateStatus: () => true,
      transformRequest: [(data: unknown): unknown => data],
      transformResponse: [(data: unknown): unknown => data],
    });
  }

  private agentFor({ protocol, serviceName }: ServiceInstance): Agent | undefined {
    const { tls } = this.deps;
    if (protocol !== 'https' || !tls) return undefined;
    const key = tls.isOwn(serviceName) ? serviceName : '';
    let agent = this.agents.get(key);
    if (agent) return agent;
    const settings = tls.of(serviceName);
    if (Object.keys(settings).length === 0) return undefined;
    agent = new Agent({ keepAlive: true, ...settings });
    this.agents.set(key, agent);
    return agent;
  }

  private async track(response: Promise<AxiosResponse<Readable>>): Promise<AxiosResponse<Readable>> {
    this.awaited.add(response);
    try {
      const { data } = await response;
      this.open.add(data);
      void untilFinished(data).then(() => this.open.delete(data));
    } finally {
      this.awaited.delete(response);
    }
    return response;
  }
}

/** Closes connections that have no request now, the others when they have none. */
function retire(agent: Agent): void {
  agent.maxFreeSockets = 0;
  for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
}

/** Ended, failed or destroyed. */
function untilFinished(stream: Readable): Promise<void> {
  return new Promise((resolve) => void finished(stream, () => resolve()));
}

/** Whether all of a body has come over the network already, read or not. */
function hasArrived(stream: Readable): boolean {
  return (stream as Readable & { complete?: boolean }).complete === true;
}

/** Axios would add a content type to a body without one; false prevents that. */
function withoutContentType(
  headers: ServiceRequest['headers'],
  body: unknown,
): Record<string, string | string[] | number | false> {
  const sent = headers as Record<string, string | string[] | number>;
  return body !== undefined && sent['content-type'] === undefined ? { ...sent, 'content-type': false } : sent;
}

function plain(headers: AxiosResponse['headers']): ServiceResponse['headers'] {
  const entries = Object.entries(headers as Record<string, string | string[]>);
  return Object.fromEntries(
    entries.map(([name, value]) => [name.toLowerCase(), Array.isArray(value) ? [...value] : value]),
  );
}

function toFailure(error: unknown, to: ServiceInstance, sent: ServiceRequest): ServiceDiscoveryError {
  const refusal = refusalIn(error);
  if (error instanceof ServiceDiscoveryError && !refusal) return error;
  if (isCancelled(error)) {
    const message = `${targetText(to, sent)} was cancelled: ${messageOf(error)}`;
    return new ServiceDiscoveryError('ABORTED', message, targetDetails(to, sent, error));
  }
  const { code } = (error ?? {}) as { code?: unknown };
  const neverSent = refusal !== undefined || certificateCode(error) !== undefined || NEVER_SENT.has(code);
  const hint = to.protocol === 'https' && isFirst(error) ? unansweredHint(error) : '';
  return sendFailure({ error: refusal ?? error, to, sent, neverSent, hint });
}

/** Axios wraps the error of a lookup. */
function refusalIn(error: unknown): HostNotAllowedError | undefined {
  const found = [error, (error as { readonly cause?: unknown } | undefined)?.cause];
  return found.find((one) => one instanceof HostNotAllowedError);
}

/** By code, since `isCancel` would load axios in apps without it. */
function isCancelled(error: unknown): boolean {
  return (error as { readonly code?: unknown } | undefined)?.code === 'ERR_CANCELED';
}

/** Whether the request was the first one on its connection. */
function isFirst(error: unknown): boolean {
  return (error as { readonly request?: { readonly reusedSocket?: boolean } }).request?.reusedSocket === false;
}
