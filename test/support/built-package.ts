import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { transformFile } from '@swc/core';
import { buildLibrary } from './build-library.js';

const exec = promisify(execFile);
const root = join(import.meta.dirname, '../..');
/** Inside the workspace, so that the package finds its dependencies. */
const dist = join(root, 'dist');

/** The package as it would be published, and an empty project with it installed. */
export interface BuiltPackage {
  readonly package: string;
  readonly consumer: string;
  remove(): Promise<void>;
}

/** Timeout of a hook that builds the package: seconds on a quiet machine, which is rare. */
export const BUILD_TIMEOUT_MS = 600_000;

/** Copies the package, and creates a project with it. Takes some seconds if the sources are new. */
export async function buildPackage(consumerManifest: object): Promise<BuiltPackage> {
  await mkdir(dist, { recursive: true });
  const directory = await mkdtemp(join(dist, 'built-package-'));
  const remove = (): Promise<void> => rm(directory, { recursive: true, force: true });
  try {
    const built = join(directory, 'libs/service-discovery');
    await cp(await buildLibrary(), built, { recursive: true });
    const consumer = join(directory, 'consumer');
    await mkdir(join(consumer, 'node_modules'), { recursive: true });
    await symlink(built, join(consumer, 'node_modules/nest-service-discovery'));
    await writeFile(join(consumer, 'package.json'), JSON.stringify(consumerManifest));
    return { package: built, consumer, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Installs what npm would publish in the project, in place of the link to the build. */
export async function installPacked({ package: built, consumer }: BuiltPackage): Promise<void> {
  const { stdout } = await exec('npm', ['pack', '--json', '--pack-destination', consumer], { cwd: built });
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
  const installed = join(consumer, 'node_modules/nest-service-discovery');
  await rm(installed);
  await mkdir(installed);
  await exec('tar', ['-xzf', join(consumer, filename), '-C', installed, '--strip-components=1']);
}

/** Copies the sources of a workspace directory into the project, with types stripped. */
export async function addSources({ consumer }: BuiltPackage, folder: string): Promise<void> {
  for (const file of await readdir(join(root, folder), { recursive: true })) {
    if (!file.endsWith('.ts')) continue;
    const target = join(consumer, file.replace(/\.ts$/, '.js'));
    await mkdir(dirname(target), { recursive: true });
    const { code } = await transformFile(join(root, folder, file), { configFile: join(root, '.swcrc') });
    await writeFile(target, code);
  }
}

/** Compiles TypeScript of the project as its user would, with the types of the package. */
export async function compileSources({ consumer }: BuiltPackage, include: readonly string[]): Promise<void> {
  const compilerOptions = {
    target: 'es2023',
    module: 'nodenext',
    strict: true,
    noUncheckedIndexedAccess: true,
    experimentalDecorators: true,
    emitDecoratorMetadata: true,
    skipLibCheck: true,
    types: ['node'],
  };
  await writeFile(join(consumer, 'tsconfig.json'), JSON.stringify({ compilerOptions, include }));
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  await exec(process.execPath, [tsc, '-p', consumer]).catch(({ stdout }: { stdout: string }) =>
    Promise.reject(new Error(`${include.join(', ')} do not compile:\n${stdout}`)),
  );
}
