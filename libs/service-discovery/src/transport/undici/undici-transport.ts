import { Readable } from 'node:stream';
import { Pool } from 'undici';
import {
  type Cancellation,
  type Clock,
  ServiceDiscoveryError,
  SignalCancellation,
  systemClock,
  type Timer,
  TransportError,
} from '../../common/index.js';
import { originOf, type ServiceInstance } from '../../model/index.js';
import { targetOf } from '../request-target.js';
import { type ServiceRequest, type ServiceResponse, type Transport } from '../transport.js';
import { Exchange } from './exchange.js';
import { toFailure } from './failure.js';
import {
  resolveUndiciTransportOptions,
  type ResolvedUndiciTransportOptions,
  type UndiciTransportOptions,
} from './options.js';
import { PooledClient } from './pooled-client.js';
import { release, toUndiciBody, type UndiciBody } from './request-body.js';

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
  private closing: Promise<void> | undefined;

  /** @throws InvalidConfigurationError naming every wrong option */
  constructor(options: UndiciTransportOptions = {}, deps: { clock?: Clock } = {}) {
    this.options = resolveUndiciTransportOptions(options);
    this.clock = deps.clock ?? systemClock;
  }

  send(to: ServiceInstance, request: ServiceRequest, signal?: AbortSignal): Promise<ServiceResponse> {
    return this.dispatch(to, request, signal && new SignalCancellation(signal));
  }

  dispatch(to: ServiceInstance, request: ServiceRequest, cancellation?: Cancellation): Promise<ServiceResponse> {
    const body = toUndiciBody(request.body);
    try {
      if (cancellation?.aborted) throw cancellation.reason;
      this.checkSendable(to, body);
      const path = targetOf(to, request);
      return new Exchange(to, path, request, body, cancellation).begin(this.poolOf(to));
    } catch (error) {
      if (body instanceof Readable) release(body);
      return Promise.reject(cancellation?.aborted ? (error as Error) : toFailure(error, to, body, true));
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
    let timer: Timer | undefined;
    const cutOff = new Promise<unknown>((resolve) => {
      timer = this.clock.setTimer(() => {
        resolve(Promise.all(pools.map((pool) => pool.destroy())));
      }, this.options.closeTimeoutMs);
    });
    // A pool where requests wait for a connection does not end its closing when it is destroyed.
    await Promise.race([Promise.all(pools.map((pool) => pool.close())), cutOff]);
    timer?.cancel();
    this.pools.clear();
  }

  private checkSendable({ serviceName: service, instanceId }: ServiceInstance, body: UndiciBody): void {
    if (this.closing) throw new TransportError('The transport is closed', true, { service, instanceId });
    if (body instanceof Readable && (body.destroyed || Readable.isDisturbed(body))) {
      const message = 'The request body is a stream that was read already';
      throw new ServiceDiscoveryError('INVALID_REQUEST', message, { service, instanceId });
    }
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
    return new Pool(origin, {
      connections,
      connectTimeout: connectTimeoutMs,
      keepAliveTimeout: keepAliveTimeoutMs,
      bodyTimeout: bodyTimeoutMs,
      // The caller's signal bounds the wait for the head: it knows the call's deadline, a constant here does not.
      headersTimeout: 0,
      factory: (url, clientOptions) => new PooledClient(url, clientOptions),
    });
  }
}
