/**
 * Runs the package as npm would install it with the versions and tools that it promises to work with, and prints what
 * works as a table. Exits with 1 if anything does not.
 *
 * node scripts/compat.mjs [--only <part of a name, or a pattern>] [--ci] [<options of Jest>]
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

/** The oldest and the newest Node, and the compiler that takes the least time. */
const IN_CI = 'Node (20|24)|TypeScript 7';

const root = join(import.meta.dirname, '..');
const { values } = parseArgs({
  options: { only: { type: 'string' }, ci: { type: 'boolean', default: false }, outputFile: { type: 'string' } },
  strict: false,
});

const directory = await mkdtemp(join(tmpdir(), 'compat-'));
try {
  const results = values.outputFile ?? join(directory, 'results.json');
  process.exitCode = await test(values.only ?? (values.ci ? IN_CI : ''), results);
  print(JSON.parse(await readFile(results, 'utf8')));
} finally {
  await rm(directory, { recursive: true, force: true });
}

/** @returns the exit code of Jest */
function test(pattern, results) {
  const jest = join(root, 'node_modules/jest/bin/jest.js');
  const flags = ['--experimental-vm-modules', '--no-warnings=ExperimentalWarning'];
  const options = ['--config', 'jest.compat.config.mjs', '--testNamePattern', pattern];
  const child = spawn(process.execPath, [...flags, jest, ...options, '--json', '--outputFile', results], {
    cwd: root,
    env: { ...process.env, COMPAT_DIRECTORY: directory },
    // The table is all that it prints of the results that Jest writes as JSON.
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

/** A row for what is tested, a column for each version of Nest. */
function print({ testResults }) {
  const rows = new Map();
  for (const { ancestorTitles, title, status } of testResults.flatMap(({ assertionResults }) => assertionResults)) {
    if (status === 'pending') continue;
    const name = [...ancestorTitles, title].join(', ');
    const nest = /Nest (11|12)\b/.exec(name)?.[1] ?? 'any';
    const row = name.replace(/(in )?(an? )?Nest (11|12)( app)?,? ?/, '');
    rows.set(row, { ...rows.get(row), [nest]: status === 'passed' ? 'ok' : 'FAILED' });
  }
  console.log('| | Nest 11 | Nest 12 |\n|---|---|---|');
  for (const [row, of] of rows) console.log(`| ${row} | ${of[11] ?? of.any ?? '-'} | ${of[12] ?? of.any ?? '-'} |`);
}
