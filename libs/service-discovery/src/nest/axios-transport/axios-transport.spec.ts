import { Agent } from 'node:http';
import { type LookupFunction } from 'node:net';
import { Readable } from 'node:stream';
import { HttpService } from '@nestjs/axios';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import axios, { type AxiosAdapter } from 'axios';
import { systemClock } from '../../common/index.js';
import { fakeInstance } from '../../testing/fake-instance.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { TestServer } from '../../testing/test-server.js';
import { transportContract } from '../../testing/transport-contract.js';
import { AxiosTransport } from './axios-transport.js';

const GET = { method: 'GET', path: '/', headers: {} } as const;
const deps = () => ({ clock: systemClock, closeTimeoutMs: 1_000 });

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

  it.each(['0.0.0.0', '0x0', '169.254.169.254'])('opens no connection to %s', async (host) => {
    const server = await TestServer.http((_request, response) => void response.end('fine'));
    const transport = new AxiosTransport(() => new HttpService(axios.create()), deps());
    const sent = transport.send(server.instance({ host }), GET);
    await expect(sent).rejects.toMatchObject({ code: 'HOST_NOT_ALLOWED', neverSent: true, instanceId: 'a' });
    expect(server.sockets).toHaveLength(0);
    await transport.close();
    await server.close();
  });

  it('refuses the next connection when a name is rebound to a forbidden address', async () => {
    const server = await TestServer.http((_request, response) => void response.end('fine'));
    let address = '127.0.0.1';
    const lookup: LookupFunction = (_hostname, _options, callback) => callback(null, address, 4);
    const httpAgent = new Agent({ keepAlive: false });
    const transport = new AxiosTransport(() => new HttpService(axios.create({ httpAgent })), { ...deps(), lookup });
    const instance = server.instance({ host: 'users.example' });
    expect(await (await transport.send(instance, GET)).body.text()).toBe('fine');
    address = '0.0.0.0';
    await expect(transport.send(instance, GET)).rejects.toMatchObject({
      code: 'HOST_NOT_ALLOWED',
      neverSent: true,
      message: expect.stringContaining('The host "users.example" is not allowed: it resolves to 0.0.0.0, '),
      cause: { address },
    });
    expect(server.sockets).toHaveLength(1);
    await transport.close();
    await server.close();
  });
});
