import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

const scripts = join(import.meta.dirname, '../scripts');
const ADVISORIES = '/-/npm/v1/security/advisories/bulk';
const ADVISORY = {
  id: 1,
  url: 'https://advisories.example/1',
  title: 'Reads what it should not',
  severity: 'high',
  vulnerable_versions: '<2.0.0',
  cwe: [],
  cvss: { score: 0, vectorString: null },
};

describe('the audit and the bill of materials of the published package', () => {
  let registry: Server;
  let folder: string;
  let audit: { status: number; body: object };

  beforeAll(async () => {
    registry = createServer(({ url }, response) => {
      const { status, body } = url?.startsWith('/-/') ? audit : { status: 200, body: packument() };
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    }).listen(0, '127.0.0.1');
    await once(registry, 'listening');
    folder = await mkdtemp(join(tmpdir(), 'audited-'));
    const manifest = { name: 'audited', version: '1.2.3', license: 'MIT', dependencies: { dependency: '^1.0.0' } };
    await writeFile(join(folder, 'package.json'), JSON.stringify(manifest));
  });

  afterAll(async () => {
    registry.close();
    await rm(folder, { recursive: true });
  });

  const urlOfRegistry = (): string => `http://127.0.0.1:${(registry.address() as AddressInfo).port}`;

  function packument(): object {
    const dist = { tarball: `${urlOfRegistry()}/dependency.tgz`, shasum: '0'.repeat(40) };
    return {
      name: 'dependency',
      'dist-tags': { latest: '1.0.0' },
      versions: { '1.0.0': { name: 'dependency', version: '1.0.0', dist } },
    };
  }

  function run(script: string, ...args: readonly string[]): Promise<{ code: unknown; output: string }> {
    const env = {
      ...process.env,
      npm_config_registry: urlOfRegistry(),
      npm_config_cache: join(folder, 'cache'),
      npm_config_fetch_retries: '0',
    };
    return new Promise((resolve) => {
      execFile(process.execPath, [join(scripts, script), folder, ...args], { env }, (error, stdout, stderr) => {
        resolve({ code: error?.code ?? 0, output: stdout + stderr });
      });
    });
  }

  it('passes a package whose dependencies have no known vulnerability', async () => {
    audit = { status: 200, body: {} };
    expect(await run('audit.mjs')).toEqual({ code: 0, output: expect.stringContaining('no known vulnerability') });
  });

  it('fails on a known vulnerability, and names it', async () => {
    audit = { status: 200, body: { dependency: [ADVISORY] } };
    const { code, output } = await run('audit.mjs');
    expect(code).toBe(1);
    expect(output).toContain(`dependency *: high: ${ADVISORY.title} (${ADVISORY.url})`);
  });

  it.each([404, 405])('says that a registry without audits checked nothing, and passes: status %i', async (status) => {
    audit = { status, body: {} };
    const { code, output } = await run('audit.mjs');
    expect(output).toContain('nothing was checked');
    expect(output).toContain(ADVISORIES);
    expect(code).toBe(0);
  });

  it('fails when the registry cannot answer', async () => {
    audit = { status: 500, body: {} };
    expect(await run('audit.mjs')).toEqual({ code: 1, output: expect.stringContaining('npm could not tell') });
  });

  it('lists the package and its dependencies in the bill of materials', async () => {
    const file = join(folder, 'sbom.cdx.json');
    expect(await run('sbom.mjs', file)).toMatchObject({ code: 0 });
    const bill = JSON.parse(await readFile(file, 'utf8')) as object;
    expect(bill).toMatchObject({
      bomFormat: 'CycloneDX',
      metadata: { component: { name: 'audited', version: '1.2.3' } },
      components: [{ name: 'dependency', version: '1.0.0' }],
    });
  });
});
