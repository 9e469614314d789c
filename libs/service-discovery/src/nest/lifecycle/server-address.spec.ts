import { Server as HttpServer } from 'node:http';
import { Server as HttpsServer } from 'node:https';
import { describe, expect, it } from '@jest/globals';
import { API_OPTION_GROUP } from '../rest/api-options.js';
import { addressToAdvertise, type Interfaces, type ListeningServer } from './server-address.js';

const local = { advertise: {}, mode: 'memory_only', remote: undefined } as const;
const remote = (url: string) => ({ advertise: {}, mode: 'remote', remote: { url } }) as const;
const withToken = (url: string) => ({ advertise: {}, mode: 'remote', remote: { url, token: 'x'.repeat(32) } }) as const;
const api = API_OPTION_GROUP.resolve();

function bound(
  address: ReturnType<ListeningServer['address']>,
  server: ListeningServer = new HttpServer(),
): ListeningServer {
  return Object.assign(server, { address: () => address });
}
const at = (address: string): ListeningServer => bound({ address, family: 'any', port: 8_080 });

/** A machine with these addresses, and loopback before them. */
const machine =
  (...addresses: readonly string[]) =>
  (): Interfaces => ({
    lo: [interfaceOf('127.0.0.1', true), interfaceOf('::1', true)],
    eth0: addresses.map((address) => interfaceOf(address, false)),
  });

function interfaceOf(address: string, internal: boolean): NonNullable<Interfaces[string]>[number] {
  const common = { address, internal, netmask: '', mac: '', cidr: null };
  return address.includes(':') ? { ...common, family: 'IPv6', scopeid: 0 } : { ...common, family: 'IPv4' };
}

describe('the address to register', () => {
  it.each(['127.0.0.1', '::1', '10.0.0.7'])('is %s where the server is bound to it', (address) => {
    expect(addressToAdvertise(at(address), local)).toEqual({ host: address, port: 8_080, protocol: 'http' });
  });

  it.each<[when: string, options: Parameters<typeof addressToAdvertise>[1], host: string]>([
    ['in the mode memory_only', local, '127.0.0.1'],
    ['for a registry on this machine, by name', remote('http://localhost:3000'), '127.0.0.1'],
    ['for a registry on this machine, by IPv4 address', remote('http://127.0.0.2:3000'), '127.0.0.1'],
    ['for a registry on this machine, by IPv6 address', remote('http://[::1]:3000'), '127.0.0.1'],
    ['for a registry on this machine, by the address of a server there', remote('http://0.0.0.0:3000'), '127.0.0.1'],
    ['in the mode memory_only with a token', { ...local, api: { ...api, token: 'x'.repeat(32) } }, '10.0.0.7'],
    [
      'in the mode memory_only with a guard',
      { ...local, api: { ...api, guard: { canActivate: () => true } } },
      '10.0.0.7',
    ],
    ['in the mode memory_only without an API', { ...local, api: false }, '127.0.0.1'],
    ['for a registry on this machine that takes a token', withToken('http://127.0.0.1:3000'), '10.0.0.7'],
    ['for a registry elsewhere', remote('http://registry.internal:3000'), '10.0.0.7'],
  ])('of a server that is bound to all addresses, %s', (_when, options, host) => {
    const interfaces = machine('fe80::7', '2001:db8::7', '169.254.0.7', '10.0.0.7', '10.0.0.8');
    for (const address of ['0.0.0.0', '::'])
      expect(addressToAdvertise(at(address), options, interfaces)?.host).toBe(host);
  });

  it('is one of IPv6 on a machine that has no other, where the server is bound to those', () => {
    const options = remote('http://registry.internal:3000');
    const interfaces = machine('fe80::7', '2001:db8::7');
    expect(addressToAdvertise(at('::'), options, interfaces)?.host).toBe('2001:db8::7');
    expect(addressToAdvertise(at('0.0.0.0'), options, interfaces)?.host).toBe('127.0.0.1');
  });

  it('is loopback on a machine without a network', () => {
    const options = remote('http://registry.internal:3000');
    expect(addressToAdvertise(at('::'), options, machine())?.host).toBe('127.0.0.1');
  });

  it('is what the options say, one or both', () => {
    const options = { ...local, advertise: { host: 'users.internal' } };
    expect(addressToAdvertise(at('::'), options)).toMatchObject({ host: 'users.internal', port: 8_080 });
    const both = { ...local, advertise: { host: 'users.internal', port: 80 } };
    expect(addressToAdvertise(bound('/run/users.sock'), both)).toMatchObject({ host: 'users.internal', port: 80 });
  });

  it('is none for a Unix socket, nor for a server that does not listen', () => {
    expect(addressToAdvertise(bound('/run/users.sock'), local)).toBeUndefined();
    expect(addressToAdvertise(bound(null), local)).toBeUndefined();
  });

  it('is https for a server that speaks TLS', () => {
    const server = bound({ address: '127.0.0.1', family: 'IPv4', port: 8_443 }, new HttpsServer());
    expect(addressToAdvertise(server, local)).toMatchObject({ port: 8_443, protocol: 'https' });
  });
});
