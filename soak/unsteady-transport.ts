import { Readable } from 'node:stream';
import {
  type Clock,
  type Random,
  type ResponseBody,
  type ServiceInstance,
  type ServiceRequest,
  type ServiceResponse,
  type Transport,
  TransportError,
} from 'nest-service-discovery/core';

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether the body breaks off. */
  readonly isCut?: boolean;
}

/**
 * Instances that answer at once, late, with errors, partially, or never, without a network, so that a million calls
 * take minutes.
 */
export class UnsteadyTransport implements Transport {
  readonly sendsAsGiven = true;
  /** Requests without a result so far. */
  inFlight = 0;
  sent = 0;

  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  async send(to: ServiceInstance, _request: ServiceRequest, signal?: AbortSignal): Promise<ServiceResponse> {
    this.inFlight++;
    this.sent++;
    try {
      const { status, headers = {}, isCut = false } = await this.answer(signal);
      return { status, headers, body: new SoakBody(JSON.stringify({ from: to.instanceId }), isCut) };
    } finally {
      this.inFlight--;
    }
  }

  async close(): Promise<void> {}

  private async answer(signal: AbortSignal | undefined): Promise<Answer> {
    signal?.throwIfAborted();
    const luck = this.random() * 100;
    if (luck < 75) return { status: 200 };
    if (luck < 87) await this.pause(this.random() * 4, signal);
    else if (luck < 90) await this.pause(10 + this.random() * 30, signal);
    else if (luck < 91) await this.pause(Number.POSITIVE_INFINITY, signal);
    else if (luck < 93) return { status: 503 };
    else if (luck < 94) return { status: 503, headers: { 'retry-after': '0' } };
    else if (luck < 95) return { status: 429, headers: { 'retry-after': '1' } };
    else if (luck < 96) return { status: 404 };
    else if (luck < 97) return { status: 200, isCut: true };
    else if (luck < 98) throw new TransportError('connect ECONNREFUSED', true);
    else throw new TransportError('socket hang up', false);
    return { status: 200 };
  }

  /** Infinity: until the signal ends it. */
  private pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = Number.isFinite(ms) ? this.clock.setTimer(() => end(resolve), ms) : undefined;
      const onAbort = (): void => end(() => reject(signal?.reason as Error));
      const end = (settle: () => void): void => {
        timer?.cancel();
        signal?.removeEventListener('abort', onAbort);
        settle();
      };
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }
}

class SoakBody implements ResponseBody {
  private made: Readable | undefined;

  constructor(
    private readonly content: string,
    private readonly isCut: boolean,
  ) {}

  get stream(): Readable {
    this.made ??= Readable.from([this.content]);
    return this.made;
  }

  async bytes(): Promise<Uint8Array> {
    return Buffer.from(await this.text());
  }

  async text(): Promise<string> {
    // Signals the end of the consumed stream to its listeners.
    this.stream.destroy();
    if (this.isCut) throw new TransportError('The response broke off', false);
    return this.content;
  }

  async json<T>(): Promise<T> {
    return JSON.parse(await this.text()) as T;
  }

  async dump(): Promise<void> {
    this.made?.destroy();
  }
}
