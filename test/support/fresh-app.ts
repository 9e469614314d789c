import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { buildLibrary } from './build-library.js';

const exec = promisify(execFile);

/** The tarball that `npm publish` would upload. */
export interface PackedLibrary {
  readonly tarball: string;
  remove(): Promise<void>;
}

export interface FreshAppOptions {
  readonly library: Pick<PackedLibrary, 'tarball'>;
  readonly nest: 11 | 12;
  /** The `type` of the app's package.json. */
  readonly type: 'commonjs' | 'module';
  readonly manager?: 'npm' | 'pnpm';
  /** Packages besides Nest and the library's peers, by name and range; undefined omits one of those. */
  readonly packages?: Readonly<Record<string, string | undefined>>;
  /** Additional fields of the package.json. */
  readonly manifest?: object;
  readonly files?: Readonly<Record<string, string>>;
  /** Where to create it, by default in a new directory. */
  readonly directory?: string;
}

interface FinishedCommand {
  /** The exit code. */
  readonly code: number;
  /** Its output on both streams. */
  readonly output: string;
}

/** An app outside the workspace, like a user's: only packages installed by its package manager can be resolved. */
export interface FreshApp {
  readonly directory: string;
  /** That of its commands. */
  readonly env: NodeJS.ProcessEnv;
  write(files: Readonly<Record<string, string>>): Promise<void>;
  run(command: string, ...args: string[]): Promise<FinishedCommand>;
  remove(): Promise<void>;
}

/** Matching versions of Nest and the library's peers. */
const NEST = {
  11: { nest: '^11.0.0', schedule: '^6.0.0', terminus: '^11.0.0' },
  12: { nest: '^12.0.0', schedule: '^12.0.0', terminus: '^12.0.0' },
};

const PNPM = 'pnpm@10';

/** Packs what users install. Takes some seconds if the sources are new. */
export async function packLibrary(): Promise<PackedLibrary> {
  const directory = await mkdtemp(join(tmpdir(), 'packed-library-'));
  const remove = (): Promise<void> => rm(directory, { recursive: true, force: true });
  try {
    return { tarball: await packInto(directory), remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** @returns the tarball */
export async function packInto(directory: string): Promise<string> {
  await exec('npm', ['pack', '--pack-destination', directory], { cwd: await buildLibrary() });
  return join(
    directory,
    (await readdir(directory)).find((name) => name.endsWith('.tgz'))!,
  );
}

/** Creates the app, and installs its packages from the registry that npm is configured for. */
export async function createFreshApp(options: FreshAppOptions): Promise<FreshApp> {
  const { library, type, manager = 'npm', packages = {}, manifest = {}, files = {} } = options;
  const { nest, schedule, terminus } = NEST[options.nest];
  const app = appIn(options.directory ?? (await mkdtemp(join(tmpdir(), 'fresh-app-'))));
  const dependencies = {
    '@nestjs/common': nest,
    '@nestjs/core': nest,
    '@nestjs/platform-express': nest,
    '@nestjs/schedule': schedule,
    '@nestjs/terminus': terminus,
    'class-transformer': '^0.5.1',
    'class-validator': '^0.15.0',
    'nest-service-discovery': `file:${library.tarball}`,
    'reflect-metadata': '^0.2.0',
    rxjs: '^7.8.0',
    ...packages,
  };
  try {
    await app.write({
      'package.json': JSON.stringify({ name: 'fresh-app', private: true, type, ...manifest, dependencies }),
      ...files,
    });
    const install =
      manager === 'npm'
        ? ['npm', 'install', '--no-audit', '--no-fund', '--prefer-offline']
        : ['npx', '--yes', PNPM, 'install', '--prefer-offline', '--dangerously-allow-all-builds'];
    const { code, output } = await app.run(install[0]!, ...install.slice(1));
    if (code !== 0) throw new Error(`${install.join(' ')} ended with ${code}:\n${output}`);
    return app;
  } catch (error) {
    await app.remove();
    throw error;
  }
}

/** @param added variables of its commands, besides those of a user's shell */
export function appIn(directory: string, added: NodeJS.ProcessEnv = {}): FreshApp {
  const env = { ...ownEnvironment(), ...added };
  return {
    directory,
    env,
    write: async (files) => {
      for (const [file, source] of Object.entries(files)) {
        await mkdir(dirname(join(directory, file)), { recursive: true });
        await writeFile(join(directory, file), source);
      }
    },
    run: (command, ...args) => run(directory, command, args, env),
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

/** Drop variables that `npm test` and Jest set; keep the configuration of the package registry. */
const OF_THIS_RUN =
  /^(npm_(?!config_(registry|cafile|proxy|https_proxy|noproxy)$)|NODE_OPTIONS$|NODE_ENV$|JEST_|INIT_CWD$)/;

function ownEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !OF_THIS_RUN.test(name)));
}

async function run(
  cwd: string,
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<FinishedCommand> {
  return new Promise((resolve) => {
    execFile(command, args, { cwd, env, maxBuffer: 64 * 1024 ** 2 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ code, output: `${stdout}${stderr}` });
    });
  });
}
