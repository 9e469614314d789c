import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
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
let manifest: { version: string; exports: object };

beforeAll(async () => {
  built = await buildPackage({ name: 'consumer' });
  manifest = JSON.parse(await readFile(join(built.package, 'package.json'), 'utf8')) as typeof manifest;
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
  it('accepts a package with its addresses, a single version, right types, and no dead link on any page', async () => {
    expect(await check(ADDRESSES)).toEqual({
      code: 0,
      lines: [
        expect.stringMatching(
          /^\d+ files, [\d.]+ MB packed, [\d.]+ MB unpacked, [\d.]+ MB installed with its dependencies$/,
        ),
        'ready to publish',
      ],
    });
  });

  it('names each missing field, differing version, dead link, wrong type and excess of a size or of files', async () => {
    const { version, exports } = manifest;
    await appendFile(join(built.package, 'README.md'), '\n[how](CONTRIBUTING.md#releases)\n');
    await appendFile(
      join(built.package, 'docs/health.md'),
      '\n[a spec](../src/health.spec.ts), [home](../README.md)\n',
    );
    await writeFile(join(built.package, 'docs/film.bin'), randomBytes(2_000_000));
    const images = Array.from({ length: 50 }, (_, index) => join(built.package, `docs/${index}.png`));
    await Promise.all(images.map((path) => writeFile(path, '')));
    const { code, lines } = await check({
      repository: undefined,
      bugs: '',
      homepage: ADDRESSES.homepage,
      version: '99.0.0',
      exports: { ...exports, './axios': { default: './axios.js', types: './axios.d.ts' } },
    });
    expect(code).toBe(1);
    expect(lines).toEqual([
      expect.stringMatching(/^\d+ files, /),
      ...['repository', 'bugs'].map((field) => `libs/service-discovery/package.json has no "${field}"`),
      ...['package.json', 'package-lock.json'].map(
        (file) => `${file} has version ${version}, libs/service-discovery/package.json 99.0.0`,
      ),
      'README.md links to CONTRIBUTING.md, which is not packed',
      'docs/health.md links to ../src/health.spec.ts, which is not packed',
      expect.stringMatching(/^publint: pkg\.exports\["\.\/axios"\]\.types should be the first /),
      expect.stringMatching(/^publint: pkg\.exports\["\.\/axios"\]\.default should be the last /),
      'attw: {"kind":"CJSResolvesToESM","entrypoint":"./axios","resolutionKind":"node16-cjs"}',
      ...['files', 'MB packed', 'MB unpacked', 'MB installed with its dependencies'].map((what) =>
        expect.stringMatching(new RegExp(`^[\\d.]+ ${what}, and at most [\\d.]+ are meant$`)),
      ),
    ]);
  });
});
