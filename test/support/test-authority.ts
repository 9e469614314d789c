import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const exec = promisify(execFile);

/** A certificate with its key, as files. */
export interface Identity {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

export interface IdentityOptions {
  /** Subject alternative names in OpenSSL's syntax. @default 'DNS:localhost,IP:127.0.0.1' */
  readonly names?: string;
  /** Whether it expired years ago. @default false */
  readonly expired?: boolean;
}

/** `openssl ca` rather than `openssl x509`, since all its versions accept dates. */
const CONFIG = `
[req]
distinguished_name = name
[name]
[ca]
default_ca = test
[test]
database = index.txt
serial = serial
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
policy = policy
unique_subject = no
[policy]
commonName = supplied
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
`;

/** A certificate authority for one test, created with the machine's `openssl`. */
export class TestAuthority {
  private constructor(readonly directory: string) {}

  static async create(): Promise<TestAuthority> {
    const authority = new TestAuthority(await mkdtemp(join(tmpdir(), 'test-authority-')));
    await authority.write('openssl.cnf', CONFIG);
    await authority.write('index.txt', '');
    await authority.write('serial', '01\n');
    await authority.makeKey('ca.key');
    const request = [
      'req',
      '-x509',
      '-new',
      '-key',
      'ca.key',
      '-out',
      'ca.pem',
      '-days',
      '3650',
      '-subj',
      '/CN=test authority',
    ];
    await authority.run(...request, '-config', 'openssl.cnf', '-extensions', 'authority');
    return authority;
  }

  get caFile(): string {
    return join(this.directory, 'ca.pem');
  }

  get ca(): string {
    return readFileSync(this.caFile, 'utf8');
  }

  async issue(
    name: string,
    { names = 'DNS:localhost,IP:127.0.0.1', expired = false }: IdentityOptions = {},
  ): Promise<Identity> {
    const [certFile, keyFile] = [join(this.directory, `${name}.pem`), join(this.directory, `${name}.key`)];
    await this.makeKey(`${name}.key`);
    await this.write(`${name}.ext`, `subjectAltName = ${names}\n`);
    const request = ['req', '-new', '-key', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`];
    await this.run(...request, '-config', 'openssl.cnf');
    const dates = expired ? ['20200101000000Z', '20200102000000Z'] : ['20200101000000Z', '20991231000000Z'];
    await this.run(
      ...['ca', '-batch', '-notext', '-config', 'openssl.cnf', '-in', `${name}.csr`, '-out', `${name}.pem`],
      ...['-extfile', `${name}.ext`, '-startdate', dates[0]!, '-enddate', dates[1]!],
    );
    return { certFile, keyFile, cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
  }

  /** A copy of a key, encrypted with a passphrase. */
  async encrypt(keyFile: string): Promise<string> {
    const out = `${keyFile}.encrypted`;
    await this.run('pkcs8', '-topk8', '-in', keyFile, '-out', out, '-passout', 'pass:secret');
    return out;
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }

  private async makeKey(file: string): Promise<void> {
    await this.run('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', file);
  }

  private async write(file: string, text: string): Promise<void> {
    await writeFile(join(this.directory, file), text);
  }

  private async run(...args: string[]): Promise<void> {
    await exec('openssl', args, { cwd: this.directory });
  }
}
