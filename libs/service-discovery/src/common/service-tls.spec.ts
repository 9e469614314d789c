import { copyFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { X509Certificate } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type Identity, TestAuthority } from '../../../../test/support/test-authority.js';
import { ManualClock } from '../testing/manual-clock.js';
import { Channel } from './async-iterables.js';
import { ServiceTls, type TlsEvents } from './service-tls.js';
import { readTls, type TlsMaterial } from './tls-options.js';
import { OptionValidator } from './validation.js';

interface Told {
  readonly type: keyof TlsEvents;
  readonly payload: TlsEvents[keyof TlsEvents];
}

let authority: TestAuthority;
let [first, second]: Identity[] = [];
let files: { ca: string; cert: string; key: string };
let tls: ServiceTls;
let told: Channel<Told>;
let clock: ManualClock;

beforeAll(async () => {
  authority = await TestAuthority.create();
  [first, second] = [await authority.issue('one'), await authority.issue('two')];
  const inDirectory = (name: string): string => join(authority.directory, name);
  files = { ca: inDirectory('live-ca.pem'), cert: inDirectory('live.pem'), key: inDirectory('live.key') };
});
afterAll(() => authority.remove());

beforeEach(async () => {
  await copyFile(authority.caFile, files.ca);
  await install(first!);
  told = new Channel();
  clock = new ManualClock();
});
afterEach(() => tls.close());

async function install({ certFile, keyFile }: Identity): Promise<void> {
  await copyFile(keyFile, files.key);
  await copyFile(certFile, files.cert);
}

function open(material: object = files, services: Record<string, object> = {}): ServiceTls {
  const check = new OptionValidator();
  const read = (given: object): TlsMaterial => readTls(check, 'tls', given);
  const byService = new Map(Object.entries(services).map(([name, given]) => [name, read(given)] as const));
  const events = {
    emit: <Name extends keyof TlsEvents>(type: Name, payload: TlsEvents[Name]) => void told.push({ type, payload }),
  };
  tls = new ServiceTls({ all: read(material), services: byService }, { clock, events, use: 'calls' });
  check.throwIfAny();
  return tls;
}

/** Moves the clock until something is told: files are looked at asynchronously. */
async function next(): Promise<Told> {
  const event = told.next();
  let isThere = false;
  void event.then(() => (isThere = true));
  while (!isThere) {
    clock.advance(1_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return (await event).value as Told;
}

const validUntil = (): number => Date.parse(new X509Certificate(second!.cert).validTo);

describe('certificates whose files change', () => {
  it('are used for new connections, and told', async () => {
    open();
    const before = tls.of('users');
    expect(tls.of('orders')).toBe(before);
    let rotations = 0;
    tls.onRotated(() => rotations++);
    await install(second!);
    expect(await next()).toEqual({
      type: 'tls.rotated',
      payload: { use: 'calls', certificate: files.cert, validUntil: validUntil() },
    });
    expect(rotations).toBe(1);
    expect(tls.of('users').secureContext).not.toBe(before.secureContext);
  });

  it('are found behind a link that leads to others, as Kubernetes replaces them', async () => {
    const link = join(authority.directory, 'link.pem');
    const keyLink = join(authority.directory, 'link.key');
    await symlink(first!.certFile, link);
    await symlink(first!.keyFile, keyLink);
    open({ cert: link, key: keyLink });
    await symlink(second!.keyFile, `${keyLink}.new`);
    await symlink(second!.certFile, `${link}.new`);
    await rename(`${keyLink}.new`, keyLink);
    await rename(`${link}.new`, link);
    expect(await next()).toMatchObject({ type: 'tls.rotated', payload: { certificate: link } });
  });

  it('leave those of other services as they are', async () => {
    open(files, { users: { cert: first!.certFile, key: first!.keyFile } });
    const [all, users] = [tls.of('orders').secureContext, tls.of('users').secureContext];
    await install(second!);
    expect(await next()).toMatchObject({ type: 'tls.rotated', payload: { certificate: files.cert } });
    expect(tls.of('users').secureContext).toBe(users);
    expect(tls.of('orders').secureContext).not.toBe(all);
  });

  it('may be those of the authorities alone', async () => {
    open({ ca: files.ca });
    const other = await TestAuthority.create();
    await copyFile(other.caFile, files.ca);
    await other.remove();
    expect(await next()).toEqual({ type: 'tls.rotated', payload: { use: 'calls', certificate: files.ca } });
  });

  it.each<[what: string, spoil: () => Promise<void>, reason: RegExp]>([
    [
      'do not belong together',
      () => copyFile(second!.certFile, files.cert),
      /^tls\.key: expected the private key of the certificate in tls\.cert/,
    ],
    [
      'are half written',
      () => writeFile(files.cert, second!.cert.slice(0, 200)),
      /^tls\.cert: expected certificates in PEM/,
    ],
    ['are gone', () => rm(files.key), /^tls\.key: expected PEM, or the path of a file .*there is no such file/],
  ])('are kept if the new ones %s, which is told once, and tried again', async (_what, spoil, reason) => {
    open();
    const { secureContext } = tls.of('users');
    await spoil();
    expect(await next()).toEqual({
      type: 'tls.rotation_failed',
      payload: { use: 'calls', certificate: files.cert, reason: expect.stringMatching(reason) },
    });
    expect(tls.of('users').secureContext).toBe(secureContext);
    await install(second!);
    // The next event is that of the rotation, however often the files were read before.
    expect(await next()).toMatchObject({ type: 'tls.rotated' });
    expect(tls.of('users').secureContext).not.toBe(secureContext);
  });

  it('are not read any more after the end', () => {
    open().close();
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('a certificate that expires soon', () => {
  it.each(['file', 'PEM'])('is told once, given as %s', async (form) => {
    const { certFile, keyFile, cert, key } = second!;
    open(form === 'file' ? { cert: certFile, key: keyFile } : { cert, key });
    clock.shiftEpoch(validUntil() - 14 * 86_400_000 - clock.epoch());
    expect(await next()).toEqual({
      type: 'tls.expiring',
      payload: { use: 'calls', certificate: form === 'file' ? certFile : 'CN=two', validUntil: validUntil() },
    });
  });
});

describe('settings for a service', () => {
  it('are its own where the identity depends on it', () => {
    open({ identity: 'spiffe://corp.example/sa/{service}' });
    expect(tls.isOwn('users')).toBe(true);
    const certificate = { subjectaltname: 'URI:spiffe://corp.example/sa/users' } as never;
    expect(tls.of('users').checkServerIdentity?.('', certificate)).toBeUndefined();
    expect(tls.of('orders').checkServerIdentity?.('', certificate)).toBeInstanceOf(Error);
  });

  it('are those of all where the identity is one for all', () => {
    open({ identity: 'proxy.internal' });
    expect(tls.isOwn('users')).toBe(false);
    expect(tls.of('users')).toBe(tls.of('orders'));
  });
});
