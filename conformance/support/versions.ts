import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const { resolve } = createRequire(import.meta.url);

/** The installed version of a dependency. Not all of them export their package.json. */
export function versionOf(name: string): string {
  for (let directory = dirname(resolve(name)); ; directory = dirname(directory)) {
    const manifest = readManifest(join(directory, 'package.json'));
    if (manifest?.name === name && manifest.version) return manifest.version;
    if (directory === dirname(directory)) throw new Error(`No package.json of ${name}`);
  }
}

function readManifest(path: string): { name?: string; version?: string } | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as { name?: string; version?: string };
  } catch {
    return undefined;
  }
}
