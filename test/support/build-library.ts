import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { systemClock } from '../../libs/service-discovery/src/common/index.js';

const exec = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const builds = join(root, 'dist/tested');
/** Inputs of the build. */
const SOURCES = [
  'libs',
  'docs',
  'scripts',
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
  'ARCHITECTURE.md',
  'SECURITY.md',
  'tsconfig.json',
  'package-lock.json',
];
const PAUSE_MS = 100;
/** Age after which a build is deleted. */
const OLD_MS = 3_600_000;

/**
 * Builds the package as it would be published, once for all specs that run on the same sources, in this and later runs.
 * @returns its directory; copy it, since others read it
 */
export async function buildLibrary(): Promise<string> {
  const key = await hashOf(SOURCES);
  const directory = join(builds, key);
  const built = join(directory, 'libs/service-discovery');
  await mkdir(builds, { recursive: true });
  await locked(join(builds, `${key}.lock`), async () => {
    if (await exists(directory)) return;
    await removeOld();
    const unfinished = `${directory}.${process.pid}`;
    try {
      await exec(process.execPath, [
        join(root, 'scripts/build.mjs'),
        '--only',
        'libs/service-discovery',
        '--no-check',
        '--out',
        unfinished,
      ]);
      await rename(unfinished, directory);
    } finally {
      await rm(unfinished, { recursive: true, force: true });
    }
  });
  return built;
}

async function hashOf(paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const path of paths) {
    const isFile = (await stat(join(root, path))).isFile();
    const files = isFile ? [''] : (await readdir(join(root, path), { recursive: true })).sort();
    for (const file of files) {
      const whole = join(root, path, file);
      if ((await stat(whole)).isFile()) hash.update(`${path}/${file}\n`).update(await readFile(whole));
    }
  }
  return hash.digest('hex').slice(0, 16);
}

/** Runs while no other process holds the lock, a file containing its owner's pid. */
async function locked(lock: string, act: () => Promise<void>): Promise<void> {
  while (!(await take(lock))) {
    if (await isAbandoned(lock)) await rm(lock, { force: true });
    else await sleep(PAUSE_MS);
  }
  try {
    await act();
  } finally {
    await rm(lock, { force: true });
  }
}

async function take(lock: string): Promise<boolean> {
  try {
    await writeFile(lock, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** A killed run leaves its lock behind. */
async function isAbandoned(lock: string): Promise<boolean> {
  const holder = Number(await readFile(lock, 'utf8').catch(() => ''));
  if (holder === 0) return false;
  try {
    return !process.kill(holder, 0);
  } catch {
    return true;
  }
}

async function removeOld(): Promise<void> {
  for (const name of await readdir(builds)) {
    const path = join(builds, name);
    if (await isOld(path)) await rm(path, { recursive: true, force: true });
  }
}

async function isOld(path: string): Promise<boolean> {
  const changed = await stat(path).catch(() => undefined);
  return changed !== undefined && systemClock.now() - changed.mtimeMs > OLD_MS;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
