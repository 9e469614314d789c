import { describe, expect, it } from '@jest/globals';
import { isLocalRequest, type PeerRequest } from './local-request.js';

const from = (remoteAddress: string | undefined, headers: PeerRequest['headers'] = {}): PeerRequest => ({
  headers,
  socket: { remoteAddress },
});

describe('isLocalRequest', () => {
  it.each(['127.0.0.1', '127.8.9.10', '::1', '::ffff:127.0.0.1'])('a peer at %s is on this machine', (address) => {
    expect(isLocalRequest(from(address))).toBe(true);
  });

  it.each([
    '10.0.0.1',
    '192.168.1.1',
    '0.0.0.0',
    '169.254.1.1',
    '::ffff:10.0.0.1',
    'fe80::1',
    '2001:db8::1',
    '128.0.0.1',
    'localhost',
    '',
    undefined,
  ])('a peer at %s is not', (address) => {
    expect(isLocalRequest(from(address))).toBe(false);
  });

  it('a request without a socket comes from nowhere that is known', () => {
    expect(isLocalRequest({ headers: {} })).toBe(false);
  });

  it.each(['localhost', 'LOCALHOST:3000', '127.0.0.1:80', '[::1]', '[::1]:3000', 'a.localhost', '2130706433'])(
    'may ask for %s',
    (host) => {
      expect(isLocalRequest(from('127.0.0.1', { host }))).toBe(true);
    },
  );

  it.each(['example.com', 'localhost.evil.example', '127.0.0.1.nip.io', '10.0.0.1', '[::2]', '', 'local host'])(
    'may not ask for %j',
    (host) => {
      expect(isLocalRequest(from('127.0.0.1', { host }))).toBe(false);
    },
  );

  it('asks over HTTP/2 by its authority', () => {
    const asking = (authority: string, origin?: string) => from('127.0.0.1', { ':authority': authority, origin });
    expect(isLocalRequest(asking('localhost:3000'))).toBe(true);
    expect(isLocalRequest(asking('localhost:3000', 'https://localhost:3000'))).toBe(true);
    expect(isLocalRequest(asking('evil.example'))).toBe(false);
  });

  it('an origin has to be the server itself', () => {
    const host = 'localhost:3000';
    expect(isLocalRequest(from('127.0.0.1', { host, origin: 'http://localhost:3000' }))).toBe(true);
    expect(isLocalRequest(from('127.0.0.1', { host, origin: 'https://localhost:3000' }))).toBe(true);
    expect(isLocalRequest(from('127.0.0.1', { host, origin: 'http://localhost:4000' }))).toBe(false);
    expect(isLocalRequest(from('127.0.0.1', { host, origin: 'null' }))).toBe(false);
  });
});
