import { type LookupFunction } from 'node:net';
import { Readable } from 'node:stream';
import {
  type Cancellation,
  type Clock,
  ServiceDiscoveryError,
  ServiceTls,
  SignalCancellation,
  systemClock,
  TimerWheel,
  TransportError,
} from '../../common/index.js';
import { type EventSink, HostPolicy, type ServiceInstance } from '../../model/index.js';
import { targetOf } from '../request-target.js';
import {
  type InstanceDelta,
  isSpent,
  type OutgoingBody,
  outgoingBodyOf,
  release,
  type ServiceRequest,
  type ServiceResponse,
  type Transport,
} from '../transport.js';
import { type BodyLimits, Exchange, toFailure } from './exchange.js';
import { InstancePools } from './instance-pools.js';
import { loadUndici } from './load-undici.js';
import { UNDICI_TRANSPORT_OPTIONS, type UndiciTransportOptions } from './options.js';

export interface UndiciTransportDeps {
  /** @default the system clock */
  clock?: Clock;
  /** Receives what happens to the certificates of `tls`. @default none */
  events?: EventSink;
  /** Where connections may go. @default everywhere but to forbidden hosts */
  hosts?: HostPolicy;
  /** @default the system's resolver */
  lookup?: LookupFunction;
}

/**
 * Sends over HTTP/1.1 with undici, with one connection pool per origin. Connections are opened on demand (the first one
 * to a new instance of a busy service in advance) and reused. It does not follow redirects or retry.
 */
export class UndiciTransport implements Transport {
  /** False in a subclass, which may add headers, until it says otherwise. */
  readonly sendsAsGiven: boolean;
  private readonly pools: InstancePools;
  private readonly tls: ServiceTls;
  private readonly limits: BodyLimits;
  private closing: Promise<void> | undefined;

  /** @throws InvalidConfigurationError naming every wrong option */
  constructor(options: UndiciTransportOptions = {}, deps: UndiciTransportDeps = {}) {
    this.sendsAsGiven = new.target === UndiciTransport;
    const resolved = UNDICI_TRANSPORT_OPTIONS.resolve(options);
    const { clock = systemClock, events, hosts = new HostPolicy(), lookup } = deps;
    this.tls = new ServiceTls(resolved.tls, { clock, events, use: 'calls' });
    this.pools = new InstancePools({ ...resolved, hosts, lookup }, clock, this.tls);
    const { bodyTimeout: stallMs, maxResponseSize: maxBytes } = resolved;
    this.limits = { timers: new TimerWheel(clock, true), stallMs, maxBytes };
  }

  async send(to: ServiceInstance, request: ServiceRequest, signal?: AbortSignal): Promise<ServiceResponse> {
    return this.dispatch(to, request, signal && new SignalCancellation(signal));
  }

  dispatch(to: ServiceInstance, request: ServiceRequest, cancellation?: Cancellation): Promise<ServiceResponse> {
    const body = outgoingBodyOf(request.body);
    try {
      if (cancellation?.aborted) throw cancellation.reason;
      this.checkSendable(to, body);
      const path = targetOf(to, request);
      return new Exchange(to, path, request, body, cancellation, this.pools.of(to), this.limits).begin();
    } catch (error) {
      if (body instanceof Readable) release(body);
      return Promise.reject(
        cancellation?.aborted ? (error as Error) : toFailure(error, to, { ...request, body }, true),
      );
    }
  }

  retain(instances: readonly ServiceInstance[], delta?: InstanceDelta): void {
    if (this.closing) return;
    if (delta?.left.length !== 0) this.pools.retain(instances);
    if (delta) this.pools.openAhead(delta.joined, instances);
  }

  prepare(): void {
    // A request says what is wrong.
    void loadUndici().catch(() => undefined);
  }

  /** Waits for requests in flight, including bodies, for up to `closeTimeout`; then closes all connections. */
  close(): Promise<void> {
    this.tls.close();
    this.closing ??= this.pools.close().finally(() => this.limits.timers.close());
    return this.closing;
  }

  private checkSendable({ serviceName: service, instanceId }: ServiceInstance, body: OutgoingBody): void {
    if (this.closing) throw new TransportError('The transport is closed', true, { service, instanceId });
    if (isSpent(body)) {
      const message = 'The request body is a stream that has already been read';
      throw new ServiceDiscoveryError('INVALID_REQUEST', message, { service, instanceId });
    }
  }
}
