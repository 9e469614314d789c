import { existsSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { appIn, createFreshApp, type FreshApp, packInto } from '../support/fresh-app.js';
import { type NODE_VERSIONS, TYPESCRIPT_VERSIONS } from './versions.js';

/** The directory of this run, which `scripts/compat.mjs` removes. All that is in it is made once, by the first spec that needs it. */
const directory = process.env.COMPAT_DIRECTORY!;

/** Makes a directory by the first call in the run. @returns its path */
export async function once(name: string, make: (path: string) => Promise<unknown>): Promise<string> {
  const path = join(directory, name);
  if (!existsSync(`${path}.made`)) {
    await make(path);
    await writeFile(`${path}.made`, '');
  }
  return path;
}

/** What all apps install. */
export async function sharedLibrary(): Promise<{ readonly tarball: string }> {
  const path = await once('library', async (made) => {
    await mkdir(made);
    await rename(await packInto(made), join(made, 'library.tgz'));
  });
  return { tarball: join(path, 'library.tgz') };
}

/** Commands of an app run by a version of Node. */
export async function onNode(app: string, version: (typeof NODE_VERSIONS)[number]): Promise<FreshApp> {
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  const node = await once(`node-${version}`, async (path) => {
    await mkdir(path);
    await writeFile(join(path, 'package.json'), '{ "private": true }');
    await succeed(appIn(path), 'npm', 'install', ...QUIETLY, `node-${platform}-${process.arch}@~${version}`);
  });
  const binaries = join(node, `node_modules/node-${platform}-${process.arch}/bin`);
  return appIn(app, { PATH: [binaries, process.env.PATH].join(delimiter), NO_COLOR: '1' });
}

export const QUIETLY = ['--no-audit', '--no-fund', '--prefer-offline'];

/** @returns the output. @throws Error with it, if the command fails */
export async function succeed(app: FreshApp, command: string, ...args: readonly string[]): Promise<string> {
  const { code, output } = await app.run(command, ...args);
  if (code !== 0) throw new Error(`${[command, ...args].join(' ')} ended with ${code}:\n${output}`);
  return output;
}

/** An app with all optional peers and compilers, for each version of Nest. */
export async function appWithAll(nest: 11 | 12, type: 'commonjs' | 'module'): Promise<string> {
  return once(`nest-${nest}`, async (path) => {
    await mkdir(path);
    const compilers = TYPESCRIPT_VERSIONS.map((version) => [`typescript-${version}`, `npm:typescript@~${version}.0`]);
    await createFreshApp({
      library: await sharedLibrary(),
      nest,
      type,
      directory: path,
      packages: {
        '@nestjs/axios': nest === 11 ? '^4.0.0' : '^12.0.0',
        '@nestjs/microservices': `^${nest}.0.0`,
        '@nestjs/platform-fastify': `^${nest}.0.0`,
        '@opentelemetry/api': '^1.9.0',
        '@types/node': '^20.0.0',
        axios: '^1.7.0',
        valibot: '^1.0.0',
        zod: '^4.0.0',
        ...(Object.fromEntries(compilers) as Record<string, string>),
      },
    });
  });
}
