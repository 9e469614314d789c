import { execFile } from 'node:child_process';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { buildPackage, type BuiltPackage, BUILD_TIMEOUT_MS } from './support/built-package.js';

const script = join(import.meta.dirname, '../scripts/release-check.mjs');
const ADDRESSES = {
  repository: { type: 'git', url: 'git+https://git.example/owner/nest-service-discovery.git' },
  homepage: 'https://git.example/owner/nest-service-discovery',
  bugs: 'https://git.example/owner/nest-service-discovery/issues',
};

let built: BuiltPackage;
let manifest: { version: string };

beforeAll(async () => {
  built = await buildPackage({ name: 'consumer' });
  manifest = JSON.parse(await readFile(join(built.package, 'package.json'), 'utf8')) as { version: string };
}, BUILD_TIMEOUT_MS);

afterAll(() => built.remove());

/** @param change to the published manifest, for this run */
async function check(change: object): Promise<{ code: unknown; lines: string[] }> {
  await writeFile(join(built.package, 'package.json'), JSON.stringify({ ...manifest, ...change }));
  return new Promise((resolve) => {
    execFile(process.execPath, [script, built.package], (error, stdout, stderr) => {
      const lines = `${stdout}${stderr}`.trim().split('\n');
      resolve({ code: error?.code ?? 0, lines: lines.map((line) => line.replace('release:check: ', '')) });
    });
  });
}

describe('npm run release:check', () => {
  it('accepts a package with its addresses, a single version, and no dead link on any page', async () => {
    expect(await check(ADDRESSES)).toEqual({ code: 0, lines: ['ready to publish'] });
  });

  it('names each missing manifest field', async () => {
    expect(await check({ ...ADDRESSES, repository: undefined, bugs: '' })).toEqual({
      code: 1,
      lines: ['repository', 'bugs'].map((field) => `libs/service-discovery/package.json has no "${field}"`),
    });
  });

  it('names each differing version', async () => {
    const { version } = manifest;
    expect(await check({ ...ADDRESSES, version: '99.0.0' })).toEqual({
      code: 1,
      lines: ['package.json', 'package-lock.json'].map(
        (file) => `${file} has version ${version}, libs/service-discovery/package.json 99.0.0`,
      ),
    });
  });

  it('names links in the README and the pages to unpacked files', async () => {
    await appendFile(join(built.package, 'README.md'), '\n[how](CONTRIBUTING.md#releases)\n');
    await appendFile(
      join(built.package, 'docs/health.md'),
      '\n[a spec](../src/health.spec.ts), [home](../README.md)\n',
    );
    const { code, lines } = await check(ADDRESSES);
    expect(code).toBe(1);
    expect(lines.sort()).toEqual([
      'README.md links to CONTRIBUTING.md, which is not packed',
      'docs/health.md links to ../src/health.spec.ts, which is not packed',
    ]);
  });
});
