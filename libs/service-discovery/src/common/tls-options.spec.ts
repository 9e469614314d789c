import { connect, createServer, type Server, type TLSSocket } from 'node:tls';
import { type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Identity, TestAuthority } from '../../../../test/support/test-authority.js';
import { describeProblem, type Problem } from './errors.js';
import { readTls, type TlsMaterial, type TlsOptions, toTlsSettings } from './tls-options.js';
import { OptionValidator } from './validation.js';

let authority: TestAuthority;
let identity: Identity;
let other: Identity;
beforeAll(async () => {
  authority = await TestAuthority.create();
  [identity, other] = [await authority.issue('one'), await authority.issue('two')];
});
afterAll(() => authority.remove());

function read(given: unknown): { material: TlsMaterial; problems: readonly Problem[] } {
  const check = new OptionValidator('transport');
  return { material: readTls(check, 'tls', given), problems: check.problems };
}

function problemOf(given: unknown): string {
  const { problems } = read(given);
  expect(problems).toHaveLength(1);
  return describeProblem(problems[0]!);
}

describe('TLS options', () => {
  it('are read from files, strings and bytes alike', () => {
    const { caFile, ca } = authority;
    const { certFile, keyFile, cert, key } = identity;
    const [fromText, fromFile] = [{ text: ca }, { text: ca, file: caFile }];
    const files = { ca: [fromFile], cert: { text: cert, file: certFile }, key: { text: key, file: keyFile } };
    expect(read({ ca: caFile, cert: certFile, key: keyFile })).toEqual({ material: files, problems: [] });
    const expected = { material: { ca: [fromText], cert: { text: cert }, key: { text: key } }, problems: [] };
    expect(read({ ca, cert, key })).toEqual(expected);
    expect(read({ ca: [Buffer.from(ca)], cert: Buffer.from(cert), key: Buffer.from(key) })).toEqual(expected);
    expect(read({ ca: [ca, caFile] }).material.ca).toEqual([fromText, fromFile]);
  });

  it('leave everything to Node if empty', () => {
    expect(read({ ca: undefined, cert: undefined })).toEqual({ material: {}, problems: [] });
    expect(toTlsSettings({})).toEqual({});
  });

  it.each<[what: string, given: () => unknown, expected: RegExp]>([
    ['no object', () => true, /^transport\.tls: expected an object of options, but got true$/],
    [
      'a name that is none',
      () => ({ certificate: 'x' }),
      /^transport\.tls\.certificate: expected no option of this name.*cert/,
    ],
    [
      'a file that is missing',
      () => ({ ca: '/no/ca.pem' }),
      /^transport\.tls\.ca: .*there is no such file.*"\/no\/ca\.pem"$/,
    ],
    ['a directory', () => ({ ca: '/tmp' }), /^transport\.tls\.ca: .*\(EISDIR\), but got "\/tmp"$/],
    [
      'one of several that is wrong',
      () => ({ ca: [authority.ca, 5] }),
      /^transport\.tls\.ca\[1\]: expected PEM, or the path/,
    ],
    ['no authority', () => ({ ca: [] }), /^transport\.tls\.ca: expected at least one certificate/],
    ['an empty text', () => ({ ca: '' }), /^transport\.tls\.ca: expected PEM, or the path .* but got ""$/],
    ['a key for a certificate', () => ({ ca: identity.keyFile }), /^transport\.tls\.ca: expected certificates in PEM/],
    [
      'a certificate without its key',
      () => ({ cert: identity.cert }),
      /^transport\.tls\.key: expected a value, as cert and key/,
    ],
    [
      'a key without its certificate',
      () => ({ key: identity.key }),
      /^transport\.tls\.cert: expected a value, as cert and key/,
    ],
    [
      'a certificate for a key',
      () => ({ cert: identity.cert, key: identity.cert }),
      /^transport\.tls\.key: expected a private key in PEM/,
    ],
    [
      'the key of another certificate',
      () => ({ cert: identity.certFile, key: other.keyFile }),
      /^transport\.tls\.key: expected the private key of the certificate in transport\.tls\.cert, but got ".*two\.key"$/,
    ],
    ['an address for a name', () => ({ servername: '10.0.0.1' }), /^transport\.tls\.servername: expected a host name/],
    [
      'a version that is none',
      () => ({ minVersion: 'TLSv1' }),
      /^transport\.tls\.minVersion: expected one of "TLSv1\.2", "TLSv1\.3"/,
    ],
    [
      'an identity with a wildcard in its trust domain',
      () => ({ identity: 'spiffe://*/sa/orders' }),
      /^transport\.tls\.identity: expected a SPIFFE id such as .*, or a list of them, but got "spiffe:\/\/\*\/sa\/orders"$/,
    ],
    ['an identity that is a URL', () => ({ identity: 'https://orders' }), /^transport\.tls\.identity: /],
    ['no identity', () => ({ identity: [] }), /^transport\.tls\.identity: .* but got \[\]$/],
    [
      'an identity that is not verified',
      () => ({ identity: 'orders.internal', rejectUnauthorized: false }),
      /^transport\.tls\.rejectUnauthorized: expected true, since a certificate that is not verified proves no identity/,
    ],
    [
      'a text for a yes or no',
      () => ({ rejectUnauthorized: 'no' }),
      /^transport\.tls\.rejectUnauthorized: expected true or false/,
    ],
  ])('reject %s with one error that names it', (_what, given, expected) => {
    expect(problemOf(given())).toMatch(expected);
  });

  it('reject an encrypted key, and say how to decrypt it', async () => {
    const key = await authority.encrypt(identity.keyFile);
    expect(problemOf({ cert: identity.cert, key })).toMatch(
      /^transport\.tls\.key: expected .* not encrypted \("openssl pkey/,
    );
  });

  it.each<[what: string, spoil: (key: string) => unknown]>([
    ['as it is', (key) => key],
    ['as bytes', (key) => Buffer.from(key)],
    ['without the first line', (key) => key.split('\n').slice(1).join('\n')],
    ['on one line', (key) => key.split('\n').slice(1, -2).join('')],
    ['with its line ends escaped', (key) => key.replaceAll('\n', String.raw`\n`)],
  ])('show nothing of a wrong key, given %s', (_what, spoil) => {
    const problem = problemOf({ cert: identity.cert, key: spoil(other.key) });
    expect(problem).toMatch(/^transport\.tls\.key: .* but got "\*\*\*"$/);
  });

  it('show nothing of a key given in place of the options', () => {
    expect(problemOf(other.key)).toBe('transport.tls: expected an object of options, but got "***"');
    expect(problemOf([Buffer.from(other.key)])).toBe('transport.tls: expected an object of options, but got ["***"]');
  });

  it('reject a bundle with a broken part', async () => {
    const file = `${authority.caFile}.broken`;
    await writeFile(file, authority.ca + authority.ca.replace(/\n\w{8}/, '\nAAAAAAAA'));
    expect(problemOf({ ca: file })).toMatch(/^transport\.tls\.ca: expected certificates in PEM/);
    await writeFile(file, authority.ca + authority.ca.slice(0, 100));
    expect(problemOf({ ca: file })).toMatch(/^transport\.tls\.ca: expected certificates in PEM/);
  });
});

describe('a connection with TLS settings', () => {
  it('uses their authorities, certificate and server name', async () => {
    const server = await listen(createServer({ ...identity, ca: authority.ca, requestCert: true }));
    const accepted = once(server, 'secureConnection') as Promise<[TLSSocket]>;
    const settings = toTlsSettings(
      read({ ca: authority.ca, ...pair(other), servername: 'localhost', minVersion: 'TLSv1.3' }).material,
    );
    const socket = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', ...settings });
    await once(socket, 'secureConnect');
    const [seen] = await accepted;
    expect(seen.getPeerCertificate().subject.CN).toBe('two');
    expect((seen as TLSSocket & { servername: string }).servername).toBe('localhost');
    expect(seen.getProtocol()).toBe('TLSv1.3');
    const closed = once(server, 'close');
    server.close();
    socket.destroy();
    await closed;
  });
});

function pair({ cert, key }: Identity): Pick<TlsOptions, 'cert' | 'key'> {
  return { cert, key };
}

async function listen(server: Server): Promise<Server> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}
