import { createServer as createTcpServer, type LookupFunction } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  closeServers,
  HTTP_SETTINGS,
  instanceAt,
  listen,
  overHttp,
} from '../../../../../test/support/probed-server.js';
import { HttpProbe } from './http-probe.js';
import { TcpProbe } from './tcp-probe.js';

afterEach(closeServers);

function timeoutSignal(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort(new Error('timed out after 10 ms')) };
}

describe.each([
  ['HttpProbe', (lookup?: LookupFunction) => new HttpProbe(HTTP_SETTINGS, { lookup })],
  ['TcpProbe', (lookup?: LookupFunction) => new TcpProbe({}, { lookup })],
])('%s', (_, make) => {
  const signal = new AbortController().signal;
  const answering =
    (...addresses: string[]): LookupFunction =>
    (_hostname, _options, callback) =>
      callback(
        null,
        addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      );

  it('fails when the connection is refused', async () => {
    const server = createTcpServer();
    const port = await listen(server);
    await closeServers();
    expect(await make().check(instanceAt(port), signal)).toEqual({
      passed: false,
      kind: 'tcp',
      reason: 'connection refused',
    });
  });

  it.each(['169.254.169.254', 'metadata.google.internal'])('never connects to %s', async (host) => {
    const result = await make().check(instanceAt(80, { host }), signal);
    expect(result).toEqual({ passed: false, kind: 'tcp', reason: expect.stringContaining('is not allowed') });
  });

  it('refuses a name if any of its addresses is forbidden', async () => {
    let connections = 0;
    const server = createTcpServer((socket) => {
      connections++;
      socket.destroy();
    });
    const port = await listen(server);
    const probe = make(answering('127.0.0.1', '::ffff:169.254.169.254'));
    const result = await probe.check(instanceAt(port, { host: 'users.example' }), signal);
    expect(result).toEqual({ passed: false, kind: 'tcp', reason: expect.stringContaining('is not allowed') });
    expect(connections).toBe(0);
  });

  it('resolves a name once and connects to the address that was checked', async () => {
    let lookups = 0;
    const rebinding: LookupFunction = (hostname, options, callback) => {
      lookups++;
      answering(lookups === 1 ? '127.0.0.1' : '169.254.169.254')(hostname, options, callback);
    };
    const port = await overHttp((_request, response) => void response.end());
    const result = await make(rebinding).check(instanceAt(port, { host: 'users.example' }), signal);
    expect(result.passed).toBe(true);
    expect(lookups).toBe(1);
  });

  it('fails when the name does not resolve', async () => {
    const missing: LookupFunction = (_hostname, _options, callback) =>
      callback(Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' }), '', 4);
    const result = await make(missing).check(instanceAt(80, { host: 'users.example' }), signal);
    expect(result).toEqual({ passed: false, kind: 'tcp', reason: 'host name not found' });
  });

  it('does not wait for a DNS lookup that hangs', async () => {
    const { signal: limited, abort } = timeoutSignal();
    const hanging: LookupFunction = () => queueMicrotask(abort);
    const result = await make(hanging).check(instanceAt(80, { host: 'users.example' }), limited);
    expect(result).toEqual({ passed: false, kind: 'timeout', reason: 'timed out after 10 ms' });
  });
});
