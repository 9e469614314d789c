import { type Socket } from 'node:net';
import { Client } from 'undici';
import { originOf, type ServiceInstance } from '../../model/index.js';
import { readHealthBody } from './health-body.js';
import { isHealthyStatus, type ResolvedHealthCheckOptions } from '../options.js';
import { openConnection, type ConnectionDeps } from './connection.js';
import { failureReason } from './probe-failure.js';
import { type Probe, type ProbeResult } from './probe.js';

/** Asks `GET <path><healthCheckPath>` over a connection of its own. Follows no redirects and never throws. */
export class HttpProbe implements Probe {
  constructor(
    private readonly options: Pick<ResolvedHealthCheckOptions, 'healthyStatuses' | 'bodyLimit'>,
    private readonly deps: ConnectionDeps = {},
  ) {}

  async check(instance: ServiceInstance, signal: AbortSignal): Promise<ProbeResult> {
    let socket: Socket | undefined;
    let client: Client | undefined;
    try {
      socket = await openConnection(instance, instance.protocol === 'https', signal, this.deps);
      client = clientOver(socket, originOf(instance));
      return await this.ask(client, instance, signal);
    } catch (error) {
      return { passed: false, reason: failureReason(error, signal) };
    } finally {
      // A connection is not kept for the next check: that one shall see whether a connection still opens.
      socket?.destroy();
      await client?.destroy();
    }
  }

  private async ask(client: Client, instance: ServiceInstance, signal: AbortSignal): Promise<ProbeResult> {
    const { statusCode, headers, body } = await client.request({
      method: 'GET',
      path: instance.path + (instance.healthCheckPath ?? '/'),
      headers: { accept: 'application/json, */*;q=0.5', 'user-agent': 'nest-service-discovery-health-check' },
      signal,
    });
    // Once the limit is reached, the rest is cut off, which the stream reports to nobody in particular.
    body.on('error', () => undefined);
    const contentType = headers['content-type'];
    const { data, note } = await readHealthBody(
      body as AsyncIterable<Uint8Array>,
      Array.isArray(contentType) ? contentType[0] : contentType,
      this.options.bodyLimit,
    );
    const passed = isHealthyStatus(statusCode, this.options.healthyStatuses);
    return { passed, reason: passed ? note : unhealthyReason(statusCode), statusCode, data };
  }
}

/** A client for one request over a connection that is open. Its time is limited by the signal of the request alone. */
function clientOver(socket: Socket, origin: string): Client {
  return new Client(origin, {
    // The client cannot start the request from within its call for a connection.
    connect: (_options, callback) => queueMicrotask(() => callback(null, socket)),
    pipelining: 0,
    headersTimeout: 0,
    bodyTimeout: 0,
  });
}

function unhealthyReason(status: number): string {
  return status >= 300 && status < 400 ? `status ${status}: redirects are not followed` : `status ${status}`;
}
