import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { BUILD_TIMEOUT_MS, type BuiltPackage, buildPackage } from './support/built-package.js';

const CERTIFICATES = join(import.meta.dirname, 'support/tls');
const exec = promisify(execFile);

let built: BuiltPackage;
let server: Server;

beforeAll(async () => {
  const [key, cert] = await Promise.all(['server.key', 'server.pem'].map((file) => readFile(join(CERTIFICATES, file))));
  server = createServer({ key, cert }, (_request, response) => response.end('fine'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  built = await buildPackage({ name: 'wrong-name', type: 'module' });
}, BUILD_TIMEOUT_MS);

afterAll(async () => {
  server.close();
  await built.remove();
});

/** A separate process, since Node reads its trusted authorities once. */
const CALLER = `
import { UndiciTransport } from 'nest-service-discovery/core';

const to = { serviceName: 'users', instanceId: 'a', host: '127.0.0.1', port: Number(process.argv[2]), path: '', protocol: 'https' };
const transport = new UndiciTransport({ connections: 1 });
const outcomes = [];
for (const headers of [{ host: 'other.example' }, { host: 'other.example' }, {}]) {
  await transport.send(to, { method: 'GET', path: '/', headers }).then(
    async ({ body }) => outcomes.push(await body.text()),
    ({ code, neverSent }) => outcomes.push([code, neverSent]),
  );
}
await transport.close();
console.log(JSON.stringify(outcomes));
`;

it('a server with a certificate for another name fails each request at once, and is reachable by its own name', async () => {
  const file = join(built.consumer, 'caller.js');
  await writeFile(file, CALLER);
  const { port } = server.address() as AddressInfo;
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: join(CERTIFICATES, 'ca.pem') };
  const { stdout } = await exec(process.execPath, [file, String(port)], { cwd: built.consumer, env, timeout: 30_000 });
  expect(JSON.parse(stdout)).toEqual([['CERTIFICATE_REJECTED', true], ['CERTIFICATE_REJECTED', true], 'fine']);
}, 60_000);
