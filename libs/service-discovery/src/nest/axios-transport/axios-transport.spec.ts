import { Agent } from 'node:http';
import { Readable } from 'node:stream';
import { HttpService } from '@nestjs/axios';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import axios, { type AxiosAdapter } from 'axios';
import { systemClock } from '../../common/index.js';
import { fakeInstance } from '../../testing/fake-instance.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { transportContract } from '../../testing/transport-contract.js';
import { AxiosTransport } from './axios-transport.js';

describe('AxiosTransport', () => {
  transportContract({ describe, it, beforeEach, afterEach }, () => {
    const httpAgent = new Agent({ keepAlive: true });
    const http = new HttpService(axios.create({ httpAgent, baseURL: 'http://elsewhere.example', timeout: 1 }));
    return new (class extends AxiosTransport {
      /** The agent is the app's, so the app closes it. */
      override async close(): Promise<void> {
        await super.close();
        httpAgent.destroy();
      }
    })(() => http, { clock: systemClock, closeTimeoutMs: 1_000 });
  });

  it('does not ask for the service before the first request', async () => {
    const resolve = (): never => {
      throw new Error('asked');
    };
    const transport = new AxiosTransport(resolve, { clock: systemClock, closeTimeoutMs: 1_000 });
    await expect(transport.close()).resolves.toBeUndefined();
  });

  it('cuts off, when it closes, what takes too long', async () => {
    const clock = new ManualClock();
    const body = new Readable({ read: () => undefined });
    const adapter: AxiosAdapter = async (config) => ({ status: 200, statusText: '', headers: {}, config, data: body });
    const transport = new AxiosTransport(() => new HttpService(axios.create({ adapter })), {
      clock,
      closeTimeoutMs: 1_000,
    });
    await transport.send(fakeInstance(), { method: 'GET', path: '/', headers: {} });
    const closing = transport.close();
    await clock.advanceAsync(999);
    expect(body.destroyed).toBe(false);
    await clock.advanceAsync(1);
    await closing;
    expect(body.destroyed).toBe(true);
  });
});
