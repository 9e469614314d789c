import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from '@jest/globals';

const exec = promisify(execFile);
const root = join(import.meta.dirname, '../..');
/** What speaks to undici. */
const SPECS = 'libs/service-discovery/src/transport';

interface Results {
  readonly numPassedTests: number;
  readonly testResults: readonly { readonly status: string; readonly name: string; readonly message: string }[];
}

// Undici 8 needs Node 22, so it comes with one.
it('the specs of the transport pass with undici 8', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'undici-8-'));
  try {
    await writeFile(join(directory, 'package.json'), '{ "private": true }');
    const packages = ['undici@8', 'node@22'];
    await exec('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', ...packages], { cwd: directory });
    const config = join(directory, 'jest.config.mjs');
    await writeFile(config, configWith(join(directory, 'node_modules/undici/index.js')));
    const output = join(directory, 'results.json');
    const jest = [join(root, 'node_modules/jest/bin/jest.js'), '--config', config, '--json', '--outputFile', output];
    const flags = ['--experimental-vm-modules', '--no-warnings=ExperimentalWarning'];
    const node = join(directory, 'node_modules/node/bin/node');
    // A failed test ends it with 1; the results say which.
    await exec(node, [...flags, ...jest, SPECS], { cwd: root, maxBuffer: 64 * 1024 ** 2 }).catch(() => undefined);
    const { default: results } = (await import(output, { with: { type: 'json' } })) as { default: Results };
    const failed = results.testResults.filter(({ status }) => status !== 'passed');
    expect(failed.map(({ name, message }) => `${name}\n${message}`)).toEqual([]);
    expect(results.numPassedTests).toBeGreaterThan(100);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}, 600_000);

/** The configuration of `npm test`, with another undici. */
function configWith(undici: string): string {
  return `
    import config from ${JSON.stringify(join(root, 'jest.config.mjs'))};
    export default {
      ...config,
      rootDir: ${JSON.stringify(root)},
      moduleNameMapper: { ...config.moduleNameMapper, '^undici$': ${JSON.stringify(undici)} },
    };
  `;
}
