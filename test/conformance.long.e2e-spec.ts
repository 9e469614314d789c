/**
 * Runs the cases that peers fail, as `npm run conformance` does, and compares the results with docs/peer-faults.md.
 * Runs in a separate process: some libraries run with mocked timers, which a test runner has already replaced.
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { addSources, buildPackage, type BuiltPackage, BUILD_TIMEOUT_MS } from './support/built-package.js';

const exec = promisify(execFile);
const root = join(import.meta.dirname, '..');
const OURS = 'nest-service-discovery';

/** The machine-readable output of the run. */
interface Result {
  readonly scenario: string;
  readonly fault: string;
  readonly peer: string;
  readonly version: string;
  readonly mark: string;
  readonly note?: string;
}

let built: BuiltPackage;
let results: Result[];
/** The rows of the table in the docs, split into cells, header first. */
let table: string[][];

beforeAll(async () => {
  built = await buildPackage({ name: 'conformance', type: 'module' });
  await addSources(built, 'conformance');
  const args = ['--no-warnings=ExperimentalWarning', 'main.js', '--json'];
  // Exit code 1 means that ours fails a case; the results say which.
  const run = await exec(process.execPath, args, { cwd: built.consumer }).catch((error: { stdout?: string }) => {
    if (!error.stdout) throw error;
    return { stdout: error.stdout };
  });
  results = JSON.parse(run.stdout) as Result[];
  const text = await readFile(join(root, 'docs/peer-faults.md'), 'utf8');
  table = text
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.slice(2, -2).split(' | '));
}, BUILD_TIMEOUT_MS);

afterAll(async () => {
  await built.remove();
});

describe('the cases that peers fail', () => {
  it('are all passed by this library', () => {
    const ours = results.filter(({ peer }) => peer === OURS);
    expect(ours.filter(({ mark }) => mark !== '✓')).toEqual([]);
    expect(ours).toHaveLength(21);
  });

  it('have a reason for each peer that fails', () => {
    const failed = results.filter(({ mark }) => mark === '✗');
    expect(failed.length).toBeGreaterThan(0);
    expect(failed.filter(({ note }) => !note)).toEqual([]);
  });

  it('are in the docs with the same results', () => {
    const peers = [...new Set(results.map(({ peer, version }) => (peer === OURS ? 'ours' : `${peer} ${version}`)))];
    const [head, ...rows] = table;
    expect(head).toEqual(['case', ...peers, 'otherwise', 'our test']);
    const told = rows.map((cells) => cells.slice(0, -1));
    const scenarios = [...new Set(results.map(({ scenario }) => scenario))];
    const cameOut = scenarios.map((name) => {
      const own = results.filter(({ scenario }) => scenario === name);
      return [name, ...own.map(({ mark }) => mark), own[0]!.fault];
    });
    expect(told).toEqual(cameOut);
  });

  it('have a test with their name, in the spec that the docs name', async () => {
    const missing: string[] = [];
    for (const cells of table.slice(1)) {
      const name = cells[0]!;
      const path = cells.at(-1)!.replaceAll('`', '');
      const spec = await readFile(join(root, path), 'utf8');
      // The title may continue after the name.
      const titles = [...spec.matchAll(/(?:\bit|\))\(\s*(['"`])(.*?)\1,/g)].map(([, , title]) => title!);
      if (!titles.some((title) => title.startsWith(name))) missing.push(`${name}: ${path}`);
    }
    expect(missing).toEqual([]);
  });
});
