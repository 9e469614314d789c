import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { namesOf } from './command-line.js';

const exec = promisify(execFile);

/** How apps load their modules: Nest 11 is CommonJS, Nest 12 ES modules. */
export type Loading = 'require' | 'import';

const NESTS: Readonly<Record<string, { readonly loading: Loading; readonly packages: readonly string[] }>> = {
  11: { loading: 'require', packages: ['@nestjs/axios@4', '@nestjs/terminus@11'] },
  12: { loading: 'import', packages: ['@nestjs/axios@12', '@nestjs/terminus@12'] },
};
const THIS_NODE = process.versions.node.split('.')[0]!;

/** What an app may run on: a version of Node, and of Nest. */
export interface Stack {
  /** `Node 20.20.2, Nest 11 by require()`. */
  readonly name: string;
  /** The program of Node. */
  readonly node: string;
  /** Where a script finds this Nest, and the package as npm would publish it. */
  readonly folder: string;
  readonly loading: Loading;
}

export interface StackChoice {
  /** Major versions. */
  readonly nodes: readonly string[];
  readonly nests: readonly string[];
}

/** The options of `parseArgs` for {@link stackChoiceOf}. */
export const STACK_OPTIONS = {
  node: { type: 'string', default: '20,24' },
  nest: { type: 'string', default: '11,12' },
} as const;

/** @throws RangeError that names the option */
export function stackChoiceOf({ node, nest }: { readonly node: string; readonly nest: string }): StackChoice {
  const nodes = node.split(',');
  const wrong = nodes.find((major) => !/^\d{2}$/.test(major));
  if (wrong !== undefined) throw new RangeError(`--node: expected major versions such as 20,24, but got "${wrong}"`);
  return { nodes, nests: namesOf('nest', nest, Object.keys(NESTS)) ?? [] };
}

/**
 * Installs what is chosen into folders of its own outside of the workspace, which are removed at the end: an app finds there
 * what a user's finds, once and in the version that it asks for.
 * @param script a compiled script, which is copied into each folder; it imports nothing of the workspace
 */
export async function withStacks(
  { nodes, nests }: StackChoice,
  script: URL,
  use: (stacks: readonly Stack[], script: string) => Promise<void>,
): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'bench-stacks-'));
  const file = basename(script.pathname).replace(/\.js$/, '.mjs');
  try {
    const programs = await Promise.all(nodes.map((major) => programOf(major, root)));
    const library = await packed(root);
    const stacks: Stack[] = [];
    for (const nest of nests) {
      const { loading, packages } = NESTS[nest]!;
      const platforms = ['common', 'core', 'platform-express', 'platform-fastify'].map(
        (name) => `@nestjs/${name}@${nest}`,
      );
      const others = ['axios', 'class-transformer', 'class-validator', 'reflect-metadata', 'rxjs', library];
      const folder = await installed([...platforms, ...packages, ...others], root);
      await copyFile(script, join(folder, file));
      for (const { node, version } of programs) {
        stacks.push({ name: `Node ${version}, Nest ${nest} by ${loading}()`, node, folder, loading });
      }
    }
    await use(stacks, file);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** This process's Node where its version is asked for, else one that npm has. */
async function programOf(major: string, root: string): Promise<{ readonly node: string; readonly version: string }> {
  if (major === THIS_NODE) return { node: process.execPath, version: process.versions.node };
  const name = `node-${process.platform}-${process.arch}`;
  const node = join(await installed([`${name}@${major}`], root), 'node_modules', name, 'bin', 'node');
  const { stdout } = await exec(node, ['-p', 'process.versions.node']);
  return { node, version: stdout.trim() };
}

async function packed(root: string): Promise<string> {
  const library = fileURLToPath(new URL('.', import.meta.resolve('nest-service-discovery')));
  const { stdout } = await exec('npm', ['pack', '--json', '--pack-destination', root], { cwd: library });
  const [{ filename }] = JSON.parse(stdout) as [{ readonly filename: string }];
  return join(root, filename);
}

/** @returns the folder */
async function installed(packages: readonly string[], root: string): Promise<string> {
  const folder = await mkdtemp(join(root, 'app-'));
  await exec('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', '--prefix', folder, ...packages], {
    cwd: folder,
  });
  return folder;
}
