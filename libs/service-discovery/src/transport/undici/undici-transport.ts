import { Readable } from 'node:stream';
import { Pool, type Dispatcher } from 'undici';
import { type Clock, raceAbort, ServiceDiscoveryError, systemClock, TransportError } from '../../common/index.js';
import { originOf, type ServiceInstance } from '../../model/index.js';
import { targetOf } from '../request-target.js';
import { bodyOf } from '../response-body.js';
import { type RequestBody, type ServiceRequest, type ServiceResponse, type Transport } from '../transport.js';
import { toFailure } from './failure.js';
import {
  resolveUndiciTransportOptions,
  type ResolvedUndiciTransportOptions,
  type UndiciTransportOptions,
} from './options.js';

/**
 * Sends over HTTP/1.1 with undici, one pool of connections an origin. Connections are opened as they are needed and
 * kept for the next request; redirects are not followed; nothing is retried here.
 */
export class UndiciTransport implements Transport {
  private readonly options: ResolvedUndiciTransportOptions;
  private readonly clock: Clock;
  private readonly pools = new Map<string, Pool>();
  /** Pools of instances that are gone, until what is in flight there has ended. */
  private readonly retired = new Set<Pool>();
  /** Errors of connections that never opened: whatever waited for these was certainly not sent. */
  private readonly connectionErrors = new WeakSet<object>();
  private closing: Promise<void> | undefined;

  /** @throws InvalidConfigurationError naming every wrong option */
  constructor(options: UndiciTransportOptions = {}, deps: { clock?: Clock } = {}) {
    this.options = resolveUndiciTransportOptions(options);
    this.clock = deps.clock ?? systemClock;
  }

  async send(to: ServiceInstance, request: ServiceRequest, signal?: AbortSignal): Promise<ServiceResponse> {
    const body = toUndiciBody(request.body);
    try {
      const { statusCode, headers, body: stream } = await this.exchange(to, request, body, signal);
      const source = { service: to.serviceName, instanceId: to.instanceId, status: statusCode, signal };
      return { status: statusCode, headers, body: bodyOf(stream, source) };
    } catch (error) {
      if (body instanceof Readable) release(body);
      if (signal?.aborted) throw signal.reason;
      throw toFailure(error, to, body, this.connectionErrors);
    }
  }

  retain(instances: readonly ServiceInstance[]): void {
    const origins = new Set(instances.map(originOf));
    for (const [origin, pool] of this.pools) {
      if (origins.has(origin)) continue;
      this.pools.delete(origin);
      this.retired.add(pool);
      void pool.close().finally(() => this.retired.delete(pool));
    }
  }

  /** Waits for what is in flight, bodies included, for up to `closeTimeout`; then closes every connection. */
  close(): Promise<void> {
    this.closing ??= this.closePools([...this.pools.values(), ...this.retired]);
    return this.closing;
  }

  private async closePools(pools: readonly Pool[]): Promise<void> {
    const timer = this.clock.setTimer(() => {
      for (const pool of pools) void pool.destroy();
    }, this.options.closeTimeoutMs);
    try {
      await Promise.all(pools.map((pool) => pool.close()));
    } finally {
      timer.cancel();
      this.pools.clear();
    }
  }

  private exchange(
    to: ServiceInstance,
    request: ServiceRequest,
    body: UndiciBody,
    signal: AbortSignal | undefined,
  ): Promise<Dispatcher.ResponseData> {
    signal?.throwIfAborted();
    if (this.closing) {
      throw new TransportError('The transport is closed', true, {
        service: to.serviceName,
        instanceId: to.instanceId,
      });
    }
    if (body instanceof Readable && (body.destroyed || Readable.isDisturbed(body))) {
      throw new ServiceDiscoveryError('INVALID_REQUEST', 'The request body is a stream that was read already', {
        service: to.serviceName,
        instanceId: to.instanceId,
      });
    }
    const response = this.poolOf(to).request({
      path: targetOf(to, request),
      method: request.method,
      headers: request.headers as Record<string, string | string[] | undefined>,
      body,
      signal,
    });
    // Undici heeds a signal only once the request has a connection; a caller need not wait for that.
    return signal ? raceAbort(response, signal) : response;
  }

  private poolOf(to: ServiceInstance): Pool {
    const origin = originOf(to);
    let pool = this.pools.get(origin);
    if (!pool) {
      pool = this.openPool(origin);
      this.pools.set(origin, pool);
    }
    return pool;
  }

  private openPool(origin: string): Pool {
    const { connections, connectTimeoutMs, keepAliveTimeoutMs, bodyTimeoutMs } = this.options;
    const pool = new Pool(origin, {
      connections,
      connectTimeout: connectTimeoutMs,
      keepAliveTimeout: keepAliveTimeoutMs,
      bodyTimeout: bodyTimeoutMs,
      // The caller's signal bounds the wait for the head: it knows the call's deadline, a constant here does not.
      headersTimeout: 0,
    });
    pool.on('connectionError', (_origin, _targets, error) => this.connectionErrors.add(error));
    return pool;
  }
}

type UndiciBody = string | Uint8Array | Readable | undefined;

/** An iterable becomes a stream, so that it too can be destroyed when the attempt fails. */
function toUndiciBody(body: RequestBody | undefined): UndiciBody {
  if (body === undefined || typeof body === 'string' || body instanceof Uint8Array || body instanceof Readable) {
    return body;
  }
  return Readable.from(body);
}

/** Destroys a body that nobody will read on; an error that it still has in store concerns nobody. */
function release(body: Readable): void {
  body.on('error', () => undefined);
  body.destroy();
}
