import { Readable } from 'node:stream';
import { type ResponseBody, type ServiceResponse, type Transport } from 'nest-service-discovery/core';

/** The same response each time, already read. */
class StubBody implements ResponseBody {
  private readonly value: unknown;
  private readonly buffer: Uint8Array;

  constructor(private readonly content: string) {
    this.value = JSON.parse(content);
    this.buffer = Buffer.from(content);
  }

  get stream(): Readable {
    return Readable.from([this.buffer]);
  }

  async text(): Promise<string> {
    return this.content;
  }

  async json<T>(): Promise<T> {
    return this.value as T;
  }

  async bytes(): Promise<Uint8Array> {
    return this.buffer;
  }

  async dump(): Promise<void> {
    // There is no connection to release.
  }
}

const RESPONSE: ServiceResponse = {
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: new StubBody('{"id":1}'),
};

/** Answers at once, so that all cost is the communicator's. */
export const stubTransport: Transport = {
  send: async () => RESPONSE,
  close: async () => undefined,
};
