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

/** How long it takes to learn that nobody listens, in milliseconds. */
const REFUSAL_MS = 1;

const stream = Readable.from([]);
stream.destroy();
/** One for all: nothing reads it, and a stream for each answer would take most of the time of a simulation. */
const EMPTY_BODY: ResponseBody = {
  stream,
  text: () => Promise.resolve(''),
  json: () => Promise.resolve(undefined as never),
  bytes: () => Promise.resolve(new Uint8Array()),
  dump: () => Promise.resolve(),
};

/** Sends to simulated servers. Who aborts stops waiting; the server does not hear of it. */
export class SimTransport implements Transport {
  /** Requests that were sent, also those that nobody took. */
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
