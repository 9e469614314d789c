import { type LookupFunction } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { HostPolicy } from '../../model/index.js';
import { TestServer } from '../../testing/test-server.js';
import { UndiciTransport } from './undici-transport.js';

const GET = { method: 'GET', path: '/', headers: {} } as const;

/** The lookup of a name that resolves to one list of addresses after the other. */
function resolving(...answers: readonly (readonly string[])[]): LookupFunction & { count: number } {
  const lookup = (...[, , callback]: Parameters<LookupFunction>): void => {
    const addresses = answers[Math.min(lookup.count++, answers.length - 1)] ?? [];
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
  };
  lookup.count = 0;
  return lookup;
}

describe('UndiciTransport and forbidden hosts', () => {
  let server: TestServer;
  let transport: UndiciTransport;

  beforeEach(async () => {
    server = await TestServer.http(({ url }, response) => {
      if (url === '/last') response.setHeader('connection', 'close');
      response.end('fine');
    });
  });

  afterEach(async () => {
    await transport.close();
    await server.close();
  });

  it.each([
    '0.0.0.0',
    '0',
    '0x0',
    '000.0.0.0',
    '::',
    '::ffff:0.0.0.0',
    '169.254.169.254',
    '2852039166',
    '0251.0376.0251.0376',
    '::ffff:a9fe:a9fe',
    'metadata.google.internal',
  ])('opens no connection to %s', async (host) => {
    transport = new UndiciTransport();
    await expect(transport.send(server.instance({ host }), GET)).rejects.toMatchObject({
      code: 'HOST_NOT_ALLOWED',
      neverSent: true,
      service: 'users',
      instanceId: 'a',
    });
    expect(server.sockets).toHaveLength(0);
  });

  it.each([['0.0.0.0'], ['127.0.0.1', '169.254.169.254'], ['::ffff:0.0.0.0'], ['fe80::1%eth0']])(
    'opens no connection for a name that resolves to %s',
    async (...addresses) => {
      transport = new UndiciTransport({}, { lookup: resolving(addresses) });
      const instance = server.instance({ host: 'users.example' });
      const forbidden = addresses.at(-1)!;
      await expect(transport.send(instance, GET)).rejects.toMatchObject({
        code: 'HOST_NOT_ALLOWED',
        neverSent: true,
        message: expect.stringContaining(
          `GET / of users/a at users.example:${server.port} could not be sent: ` +
            `The host "users.example" is not allowed: it resolves to ${forbidden}, `,
        ),
        cause: { host: 'users.example', address: forbidden },
      });
      expect(server.sockets).toHaveLength(0);
    },
  );

  it('looks a name up once a connection, and not for each request', async () => {
    const lookup = resolving(['127.0.0.1'], ['0.0.0.0']);
    transport = new UndiciTransport({}, { lookup });
    const instance = server.instance({ host: 'users.example' });
    for (let sent = 0; sent < 3; sent++) {
      expect(await (await transport.send(instance, GET)).body.text()).toBe('fine');
    }
    expect([lookup.count, server.sockets.length]).toEqual([1, 1]);
  });

  it('refuses the next connection when a name is rebound to a forbidden address', async () => {
    transport = new UndiciTransport({}, { lookup: resolving(['127.0.0.1'], ['0.0.0.0']) });
    const instance = server.instance({ host: 'users.example' });
    expect(await (await transport.send(instance, { ...GET, path: '/last' })).body.text()).toBe('fine');
    await expect(transport.send(instance, GET)).rejects.toMatchObject({ code: 'HOST_NOT_ALLOWED' });
    await expect(transport.send(instance, GET)).rejects.toMatchObject({ code: 'HOST_NOT_ALLOWED' });
    expect(server.sockets).toHaveLength(1);
  });

  it('opens no connection ahead to a forbidden host', async () => {
    transport = new UndiciTransport({}, { lookup: resolving(['0.0.0.0']) });
    const usual = server.instance({ instanceId: 'usual' });
    await (await transport.send(usual, GET)).body.dump();
    for (const host of ['users.example', '0.0.0.0']) {
      const joined = [server.instance({ instanceId: host, host })];
      transport.retain([usual, ...joined], { joined, left: [] });
    }
    await expect(transport.send(server.instance({ host: '0.0.0.0' }), GET)).rejects.toMatchObject({
      code: 'HOST_NOT_ALLOWED',
    });
    expect(server.sockets).toHaveLength(1);
  });

  it('opens connections only to hosts of its policy', async () => {
    transport = new UndiciTransport({}, { hosts: new HostPolicy(['127.0.0.0/8']) });
    expect(await (await transport.send(server.instance(), GET)).body.text()).toBe('fine');
    await expect(transport.send(server.instance({ host: 'localhost' }), GET)).rejects.toMatchObject({
      code: 'HOST_NOT_ALLOWED',
      message: expect.stringMatching(
        /"localhost" is not allowed: it is not among .* List it in the option allowedHosts, /,
      ),
    });
  });
});
