import { Readable } from 'node:stream';
import { type Cancellation, ResponseStatusError } from '../../common/index.js';
import { type ServiceInstance } from '../../model/index.js';
import { type ChaosPolicy } from '../../resilience/index.js';
import { bodyOf, type ServiceRequest, type ServiceResponse } from '../../transport/index.js';
import { type Sender } from './attempt.js';

/** A response that chaos returns in place of an instance. */
interface ChaosResponse {
  status?: number;
  headers?: Readonly<Record<string, string | string[]>>;
  /** Text and bytes are sent unchanged; anything else as JSON. */
  body?: unknown;
}

/** Injects chaos in front of the transport, so that every other stage takes it for the instance's behaviour. */
export class ChaosSender implements Sender {
  constructor(
    private readonly chaos: ChaosPolicy,
    private readonly sender: Sender,
  ) {}

  async send(to: ServiceInstance, request: ServiceRequest, cancellation: Cancellation): Promise<ServiceResponse> {
    const { signal } = cancellation;
    let sent: ServiceResponse | undefined;
    const send = async (): Promise<ServiceResponse> => (sent = await this.sender.send(to, request, cancellation));
    try {
      const answer: ServiceResponse | ChaosResponse = await this.chaos.execute<ServiceResponse | ChaosResponse>(
        send,
        signal,
      );
      return answer === sent ? sent : responseOf(answer as ChaosResponse, to, signal);
    } catch (error) {
      // An injected status is a response, for the stages to judge.
      if (error instanceof ResponseStatusError) return responseOf({ status: error.status }, to, signal);
      throw error;
    }
  }
}

function responseOf(answer: ChaosResponse, to: ServiceInstance, signal: AbortSignal): ServiceResponse {
  const { status = 200, headers, body } = answer;
  const raw = body === undefined || typeof body === 'string' || body instanceof Uint8Array;
  const content = raw ? body : JSON.stringify(body);
  const stream = Readable.from(content === undefined ? [] : [Buffer.from(content)]);
  return {
    status,
    headers: headers ?? (raw ? {} : { 'content-type': 'application/json' }),
    body: bodyOf(stream, { service: to.serviceName, instanceId: to.instanceId, status, signal }),
  };
}
