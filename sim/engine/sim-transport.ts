import { Readable } from 'node:stream';
import {
  type Clock,
  type ResponseBody,
  type ServiceInstance,
  type ServiceRequest,
  type ServiceResponse,
  type Transport,
  TransportError,
} from 'nest-service-discovery/core';
import { type SimServer } from './sim-server.js';

/** Time until a connection is refused, in milliseconds. */
const REFUSAL_MS = 1;

const stream = Readable.from([]);
stream.destroy();
/** Shared: it is never read, and a stream per answer would dominate the time of a simulation. */
const EMPTY_BODY: ResponseBody = {
  stream,
  text: () => Promise.resolve(''),
  json: () => Promise.resolve(undefined as never),
  bytes: () => Promise.resolve(new Uint8Array()),
  dump: () => Promise.resolve(),
};

/** Sends to simulated servers. An abort ends the wait of the caller; the server does not notice. */
export class SimTransport implements Transport {
  /** Requests sent, including refused ones. */
  sent = 0;

  constructor(
    private readonly clock: Clock,
    private readonly serverOf: (instanceId: string) => SimServer | undefined,
  ) {}

  send(to: ServiceInstance, request: ServiceRequest, signal?: AbortSignal): Promise<ServiceResponse> {
    const details = { service: to.serviceName, instanceId: to.instanceId };
    this.sent++;
    return new Promise((resolve, reject) => {
      const abort = (): void => reject(signal?.reason as Error);
      if (signal?.aborted) return abort();
      signal?.addEventListener('abort', abort, { once: true });
      const settle = (end: () => void): void => {
        signal?.removeEventListener('abort', abort);
        end();
      };
      const server = this.serverOf(to.instanceId);
      if (!server?.listening) {
        const refused = (): void => reject(new TransportError('connect ECONNREFUSED', true, details));
        this.clock.setTimer(() => settle(refused), REFUSAL_MS);
        return;
      }
      server.receive(request, (answer) =>
        settle(() => {
          if (answer === 'reset') reject(new TransportError('socket hang up', false, details));
          else resolve({ status: answer.status, headers: {}, body: EMPTY_BODY });
        }),
      );
    });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
