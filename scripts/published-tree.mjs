/** What comes with the published package: its dependencies and theirs, without the workspace's own tools. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * Calls `act` with a folder that has a manifest with the package's dependencies, and their lockfile. Peers are left out: the
 * app that installs them chooses their versions.
 * @param built folder of the built package
 */
export async function withPublishedTree(built, act) {
  const manifest = JSON.parse(await readFile(join(built, 'package.json'), 'utf8'));
  const { name, version, license, dependencies } = manifest;
  const scratch = await mkdtemp(join(tmpdir(), 'published-tree-'));
  try {
    // npm takes the name of the folder for that of the package.
    const folder = join(scratch, name);
    await mkdir(folder);
    await writeFile(join(folder, 'package.json'), JSON.stringify({ name, version, license, dependencies }));
    await npm(folder, 'install', '--package-lock-only', '--ignore-scripts', '--no-audit', '--no-fund');
    return await act(folder);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** What an npm command prints. @throws an error with `stdout` and `stderr` if it fails */
export async function npm(cwd, ...args) {
  const { stdout } = await run('npm', args, { cwd, maxBuffer: 64 * 1024 * 1024, shell: process.platform === 'win32' });
  return stdout;
}
