import { type LookupFunction } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { InvalidConfigurationError } from '../common/index.js';
import { findForbiddenAddress, findForbiddenHost } from './forbidden-host.js';
import { HostPolicy } from './host-policy.js';

describe('findForbiddenHost', () => {
  it.each([
    '169.254.169.254',
    '169.254.0.1',
    '2852039166',
    '0xa9fea9fe',
    '0xA9.0xFE.0xA9.0xFE',
    '0251.0376.0251.0376',
    '025177524776',
    '169.254.43518',
    '169.16689662',
    '169.254.169.254.',
    '::ffff:169.254.169.254',
    '::FFFF:a9fe:a9fe',
    '0:0:0:0:0:ffff:a9fe:a9fe',
    '[::ffff:169.254.169.254]',
    '::a9fe:a9fe',
    '64:ff9b::a9fe:a9fe',
    '64:ff9b:1::a9fe:a9fe',
    '2002:a9fe:a9fe::1',
    '2001:0:4136:e378:8000:63bf:5601:5601',
    '2001:db8::5efe:a9fe:a9fe',
    'fe80::1',
    'FE80::1%eth0',
    '[fe80::1%25eth0]',
    'febf::1',
    '::ffff:0:169.254.169.254',
  ])('rejects the link-local address spelled %s', (host) => {
    expect(findForbiddenHost(host)).toBe('a link-local address');
  });

  it.each([
    '100.100.100.200',
    '0x646464c8',
    '168.63.129.16',
    'fd00:ec2::254',
    'fd00:ec2::23',
    'fd00:0ec2:0:0:0:0:0:0254',
    'metadata',
    'METADATA',
    'metadata.google.internal',
    'Metadata.Google.Internal.',
    'metadata.goog',
    'instance-data',
    'instance-data.ec2.internal',
  ])('rejects the cloud metadata service spelled %s', (host) => {
    expect(findForbiddenHost(host)).toBe('a cloud metadata service');
  });

  it.each(['0.0.0.0', '0', '0x0', '000.0.0.0', '::', '[::]', '::ffff:0.0.0.0'])(
    'refuses the unspecified address spelled %s',
    (host) => {
      expect(findForbiddenHost(host)).toBe('the unspecified address');
    },
  );

  it.each(['224.0.0.1', '239.255.255.255', 'ff02::1', '255.255.255.255', '0xffffffff'])(
    'refuses the group address %s',
    (host) => {
      expect(findForbiddenHost(host)).toMatch(/^a multicast address|the broadcast address$/);
    },
  );

  it.each([
    '169.254.169.254.nip.io',
    'app.169.254.169.254.nip.io',
    '169-254-169-254.sslip.io',
    'www-169-254-169-254.example.com',
    'a9fea9fe.nip.io',
    'app-A9FEA9FE.nip.io',
    'fe80--1.sslip.io',
    '100-100-100-200.nip.io',
    '0.0.0.0.nip.io',
    '1.169.254.169.254.sslip.io',
  ])('rejects %s, a name that contains the address', (host) => {
    expect(findForbiddenHost(host)).toMatch(/^a name for /);
  });

  it.each([
    '',
    ' ',
    '.',
    'http://a',
    'user@a',
    'a/b',
    'a b',
    '256.1.1.1',
    '1.2.3.4.5',
    '4294967296',
    '08.1.1.1',
    'a:80',
    '[::1',
  ])('rejects %j, which is no host in any URL', (host) => {
    expect(findForbiddenHost(host)).toBe('no valid host name or address');
  });

  it.each([
    'localhost',
    '127.0.0.1',
    '::1',
    '10.1.2.3',
    '192.168.1.1',
    'fd12:3456::1',
    '8.8.8.8',
    '::ffff:10.0.0.1',
    '64:ff9b::a00:1',
    'user-service',
    'user_service.internal',
    'api-1-2-3-4.example.com',
    'a9fea9fe.example.com',
    'release-0.0.0.0.example.com',
    'metadata.example.com',
    '10-0-0-1.nip.io',
  ])('allows %s', (host) => {
    expect(findForbiddenHost(host)).toBeUndefined();
  });
});

describe('findForbiddenAddress', () => {
  it('accepts addresses at which services may run', () => {
    expect(findForbiddenAddress('10.0.0.1')).toBeUndefined();
    expect(findForbiddenAddress('::1')).toBeUndefined();
  });

  it('rejects forbidden addresses that a name may resolve to', () => {
    expect(findForbiddenAddress('169.254.169.254')).toBe('a link-local address');
    expect(findForbiddenAddress('::ffff:a9fe:a9fe')).toBe('a link-local address');
    expect(findForbiddenAddress('fe80::1%eth0')).toBe('a link-local address');
  });

  it('rejects anything that is not an address', () => {
    expect(findForbiddenAddress('localhost')).toBe('no IP address');
  });
});

describe('HostPolicy', () => {
  it('allows everything that is not forbidden if no list is given', () => {
    expect(new HostPolicy().findProblem('api.example.com')).toBeUndefined();
    expect(new HostPolicy().findProblem('0xa9fea9fe')).toBe('a link-local address');
  });

  it('allows only the names, domains, addresses and ranges of a list', () => {
    const policy = new HostPolicy(['api.internal', '*.svc.local', '192.0.2.7', '10.0.0.0/8', 'fd00::/8']);
    const allowed = [
      'API.internal.',
      'a.svc.local',
      'a.b.svc.local',
      '192.0.2.7',
      '10.9.8.7',
      '0x0a000001',
      '::ffff:10.0.0.1',
      'fd12::1',
    ];
    const refused = [
      'svc.local',
      'evil-api.internal',
      'xsvc.local',
      '192.0.2.8',
      '11.0.0.1',
      'fe12::1',
      '10.0.0.1.evil.example',
    ];
    expect(allowed.filter((host) => policy.findProblem(host) !== undefined)).toEqual([]);
    expect(refused.filter((host) => policy.findProblem(host) === undefined)).toEqual([]);
  });

  it('takes a suffix with and without an asterisk', () => {
    const policy = new HostPolicy(['.svc.cluster.local']);
    expect(policy.findProblem('users.shop.svc.cluster.local')).toBeUndefined();
    expect(policy.findProblem('svc.cluster.local')).toBe('not among the allowed hosts');
    expect(policy.findProblem('evilsvc.cluster.local')).toBe('not among the allowed hosts');
    for (const entry of ['.', '*', '*.', 'a.*.b', '.a b', '*.a/b'])
      expect(() => new HostPolicy([entry])).toThrow(/allowedHosts\[0\]/);
  });

  it("binds a registration to the address that it comes from, by 'peer'", () => {
    const policy = new HostPolicy(['peer']);
    expect(policy.findProblem('10.0.0.7', '::ffff:10.0.0.7')).toBeUndefined();
    expect(policy.findProblem('FD00:0::7', 'fd00::7')).toBeUndefined();
    expect(policy.findProblem('localhost', '127.0.0.1')).toBeUndefined();
    expect(policy.findProblem('10.0.0.8', '10.0.0.7')).toBe(
      'not among the allowed hosts, and the request comes from 10.0.0.7',
    );
    expect(policy.findProblem('users.example', '10.0.0.7')).toContain('not among the allowed hosts');
    expect(policy.findProblem('127.0.0.1', '10.0.0.7')).toContain('not among the allowed hosts');
    expect(policy.findProblem('169.254.0.7', '169.254.0.7')).toBe('a link-local address');
  });

  it("allows every address, and no name, by 'peer' where no registration is checked", () => {
    const policy = new HostPolicy(['peer']);
    expect(policy.findProblem('10.0.0.7')).toBeUndefined();
    expect(policy.findProblem('localhost')).toBeUndefined();
    expect(policy.findProblem('users.example')).toBe('not among the allowed hosts');
    expect(policy.findProblem('169.254.169.254')).toBe('a link-local address');
  });

  it('allows what is listed elsewhere, as it is spelled there', () => {
    for (const allowed of [[], () => false]) {
      const policy = new HostPolicy(allowed, 'allowedHosts', ['API.example.', '192.0.2.7', 'peer', '169.254.169.254']);
      expect(policy.findProblem('api.example')).toBeUndefined();
      expect(policy.findProblem('0xC0000207')).toBeUndefined();
      expect(policy.findProblem('www.api.example')).toBe('not among the allowed hosts');
      expect(policy.findProblem('192.0.2.8', '192.0.2.8')).toBe('not among the allowed hosts');
      expect(policy.findProblem('169.254.169.254')).toBe('a link-local address');
    }
  });

  it('never allows a forbidden host, whatever the list or function says', () => {
    expect(new HostPolicy(['169.254.0.0/16', 'metadata']).findProblem('169.254.169.254')).toBe('a link-local address');
    expect(new HostPolicy(() => true).findProblem('metadata')).toBe('a cloud metadata service');
  });

  it('passes the canonical spelling to a function', () => {
    const seen: string[] = [];
    new HostPolicy((host) => seen.push(host) > 0).findProblem('0x0A.1.');
    expect(seen).toEqual(['10.0.0.1']);
  });

  it('allows nothing if the list is empty', () => {
    expect(new HostPolicy([]).findProblem('localhost')).toBe('not among the allowed hosts');
  });

  it('throws an error with the field, the value and the reason', () => {
    expect(() => new HostPolicy().assertAllowed('metadata')).toThrow(
      expect.objectContaining({
        code: 'HOST_NOT_ALLOWED',
        problems: [
          {
            path: 'host',
            value: 'metadata',
            expected: 'a host that may be registered; this is a cloud metadata service',
          },
        ],
      }),
    );
  });

  it('names every invalid entry of the list', () => {
    const make = (): HostPolicy =>
      new HostPolicy(['fine', '10.0.0.0/40', 'a b', 7 as unknown as string], 'api.allowedHosts');
    expect(make).toThrow(InvalidConfigurationError);
    expect(make).toThrow(/api\.allowedHosts\[1\][^]*api\.allowedHosts\[2\][^]*api\.allowedHosts\[3\]/);
    expect(() => new HostPolicy('localhost' as unknown as string[])).toThrow(InvalidConfigurationError);
  });

  it('guards a lookup of one address, or of all of them, and keeps its errors', () => {
    const errorOf = (found: Parameters<Parameters<LookupFunction>[2]>[1] | undefined, error: Error | null = null) => {
      const seen: unknown[] = [];
      const lookup: LookupFunction = (_hostname, _options, callback) => callback(error, found as string, 4);
      new HostPolicy().guard(lookup)('users.example', {}, (...answer) => seen.push(...answer));
      return seen;
    };
    const refusal = expect.objectContaining({ host: 'users.example', address: '169.254.169.254' });
    expect(errorOf('10.0.0.1')).toEqual([null, '10.0.0.1', 4]);
    expect(errorOf('169.254.169.254')[0]).toEqual(refusal);
    expect(errorOf(['10.0.0.1', '169.254.169.254'].map((address) => ({ address, family: 4 })))[0]).toEqual(refusal);
    const notFound = new Error('getaddrinfo ENOTFOUND');
    expect(errorOf(undefined, notFound)[0]).toBe(notFound);
  });
});
