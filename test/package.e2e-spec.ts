import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import semver from 'semver';
import { buildPackage, type BuiltPackage, BUILD_TIMEOUT_MS } from './support/built-package.js';

const exec = promisify(execFile);
const root = join(import.meta.dirname, '..');
const library = join(root, 'libs/service-discovery');

interface Manifest {
  name: string;
  version: string;
  license: string;
  type: string;
  sideEffects: boolean;
  engines: { node: string };
  exports: Record<string, string | { types: string; default: string }>;
  dependencies: Record<string, string>;
  devDependencies?: Record<string, string>;
  peerDependencies: Record<string, string>;
  peerDependenciesMeta: Record<string, { optional: boolean }>;
  scripts?: unknown;
}

const readManifest = async (directory: string): Promise<Manifest> =>
  JSON.parse(await readFile(join(directory, 'package.json'), 'utf8')) as Manifest;

/** Names of packages that the published sources import. */
async function importedPackages(): Promise<string[]> {
  const files = await readdir(join(library, 'src'), { recursive: true });
  const names = new Set<string>();
  for (const file of files) {
    if (!file.endsWith('.ts') || file.endsWith('.spec.ts')) continue;
    const source = await readFile(join(library, 'src', file), 'utf8');
    for (const [, specifier] of source.matchAll(
      /(?:^(?:import|export|\}).*\bfrom\s+|\bimport\s*\(?\s*)'([^'.][^']*)'/gm,
    )) {
      if (specifier!.startsWith('node:') || builtinModules.includes(specifier!)) continue;
      names.add(/^(@[^/]+\/[^/]+|[^/]+)/.exec(specifier!)![1]!);
    }
  }
  return [...names].sort();
}

describe('the package manifest', () => {
  let own: Manifest;
  let workspace: Manifest;

  beforeAll(async () => {
    [own, workspace] = await Promise.all([readManifest(library), readManifest(root)]);
  });

  it('agrees with the workspace on name, version, license, engines and module type', () => {
    const { name, version, license, engines, type } = own;
    expect({ name, version, license, engines, type }).toEqual({
      name: workspace.name,
      version: workspace.version,
      license: workspace.license,
      engines: workspace.engines,
      type: 'module',
    });
  });

  it('asks for the dependencies that the workspace tests with', () => {
    const tested = Object.keys(own.dependencies).map((name) => [name, workspace.devDependencies![name]]);
    expect(own.dependencies).toEqual(Object.fromEntries(tested));
  });

  it('accepts as peers the versions that the workspace tests with', () => {
    const refused = Object.entries(own.peerDependencies).filter(
      ([name, range]) => !semver.subset(workspace.devDependencies![name]!, range),
    );
    expect(refused).toEqual([]);
  });

  it('accepts Nest 11 and 12', () => {
    for (const name of ['@nestjs/common', '@nestjs/core']) {
      expect(semver.satisfies('11.0.0', own.peerDependencies[name]!)).toBe(true);
      expect(semver.satisfies('12.0.0', own.peerDependencies[name]!)).toBe(true);
    }
  });

  it('leaves only the scheduler to choice', () => {
    expect(own.peerDependenciesMeta).toEqual({ '@nestjs/schedule': { optional: true } });
  });

  it('declares every package that the sources import', async () => {
    const declared = [...Object.keys(own.dependencies), ...Object.keys(own.peerDependencies)];
    expect(declared).toEqual(expect.arrayContaining(await importedPackages()));
  });

  it('runs no script at install and carries no development dependency', () => {
    expect(own.scripts).toBeUndefined();
    expect(own.devDependencies).toBeUndefined();
  });

  it('has the entries that the workspace offers its own apps', () => {
    const inDist = Object.fromEntries(
      Object.entries(own.exports)
        .filter(([, target]) => typeof target === 'object')
        .map(([entry, target]) => [
          entry,
          Object.fromEntries(
            Object.entries(target).map(([condition, file]) => [
              condition,
              file.replace('./', './dist/libs/service-discovery/'),
            ]),
          ),
        ]),
    );
    expect(workspace.exports).toEqual(inDist);
  });
});

describe('the built package', () => {
  let built: BuiltPackage;

  beforeAll(async () => {
    built = await buildPackage({ name: 'consumer' });
  }, BUILD_TIMEOUT_MS);

  afterAll(() => built.remove());

  it('holds the file behind every export, types included', async () => {
    const { exports } = await readManifest(built.package);
    const targets = Object.values(exports).flatMap((target) =>
      typeof target === 'string' ? [target] : Object.values(target),
    );
    expect(targets.filter((target) => !existsSync(join(built.package, target)))).toEqual([]);
    expect(targets).toContain('./index.d.ts');
  });

  async function packedPaths(): Promise<readonly string[]> {
    const { stdout } = await exec('npm', ['pack', '--dry-run', '--json'], {
      cwd: built.package,
      shell: process.platform === 'win32',
    });
    const [packed] = JSON.parse(stdout) as [{ files: { path: string }[] }];
    return packed.files.map(({ path }) => path);
  }

  it('packs its documents and no spec', async () => {
    const paths = await packedPaths();
    expect(paths).toEqual(
      expect.arrayContaining(['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'core.js', 'core.d.ts']),
    );
    expect(paths.filter((path) => /\.spec\.|tsbuildinfo/.test(path))).toEqual([]);
  });

  it('packs the pages that its README refers to, but for what is of use in the repository alone', async () => {
    const paths = await packedPaths();
    const readme = await readFile(join(built.package, 'README.md'), 'utf8');
    const referred = [...readme.matchAll(/\]\((?![a-z]+:|#)([^)#]+)/g)].map(([, path]) => path!);
    expect(referred).toContain('docs/resilience.md');
    expect(new Set(referred.filter((path) => !paths.includes(path)))).toEqual(new Set(['apps', 'CONTRIBUTING.md']));
  });

  it('has types that name no Redis client, so that one of another version fits', async () => {
    const reached = new Set<string>();
    const needed = new Set<string>();
    const follow = async (file: string): Promise<void> => {
      if (reached.has(file)) return;
      reached.add(file);
      const text = await readFile(file, 'utf8');
      for (const [, from, within] of text.matchAll(/\bfrom '([^']+)'|\bimport\('([^']+)'\)/g)) {
        const name = from ?? within!;
        if (name.startsWith('.')) await follow(join(dirname(file), name.replace(/\.js$/, '.d.ts')));
        else needed.add(name);
      }
    };
    for (const entry of ['index', 'core', 'testing']) await follow(join(built.package, `${entry}.d.ts`));
    expect(reached.size).toBeGreaterThan(100);
    expect([...needed]).not.toContain('ioredis');
  });

  it('needs @nestjs/schedule for cron expressions alone', async () => {
    const script = join(built.consumer, 'without-schedule.mjs');
    const hook = `export function resolve(name, context, next) {
      if (name === '@nestjs/schedule') throw new Error('not installed');
      return next(name, context);
    }`;
    const source = `
      import Module, { register } from 'node:module';
      register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hook)}`)});
      const resolve = Module._resolveFilename;
      Module._resolveFilename = (name, ...rest) => {
        if (name === '@nestjs/schedule') throw new Error('not installed');
        return resolve(name, ...rest);
      };
      const { NestFactory } = await import('@nestjs/core');
      const { ServiceDiscoveryModule } = await import('nest-service-discovery');
      for (const healthCheck of [{ interval: '30s' }, { cron: '* * * * *' }]) {
        const imports = [ServiceDiscoveryModule.forRoot({ healthCheck, logging: false })];
        const app = NestFactory.createApplicationContext(
          { module: class App {}, imports },
          { logger: false, abortOnError: false },
        );
        console.log(await app.then((made) => made.close().then(() => 'closed'), ({ message }) => message));
      }
    `;
    await writeFile(script, source);
    const { stdout } = await exec(process.execPath, [script]);
    const [first, ...rest] = stdout.trim().split('\n');
    expect(first).toBe('closed');
    expect(rest.join(' ')).toContain('healthCheck.cron');
    expect(rest.join(' ')).toContain('npm install @nestjs/schedule');
  });

  it.each([
    ['memory_only', false],
    ['redis_backed', true],
    ['hybrid', true],
  ])('in the mode %s loads the Redis client: %s', async (mode, isLoaded) => {
    const script = join(built.consumer, 'loads-ioredis.mjs');
    const hook = `export function resolve(name, context, next) {
      if (name === 'ioredis') process._rawDebug('ioredis');
      return next(name, context);
    }`;
    const source = `
      import { register } from 'node:module';
      register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hook)}`)});
      const { NestFactory } = await import('@nestjs/core');
      const { ServiceDiscoveryModule } = await import('nest-service-discovery');
      const options = { mode: '${mode}', startTimeout: 0, logging: false };
      const redis = ${isLoaded} ? { redis: { url: 'redis://127.0.0.1:1' } } : {};
      const imports = [ServiceDiscoveryModule.forRoot({ ...options, ...redis })];
      const app = await NestFactory.create({ module: class App {}, imports }, { logger: false });
      await app.init();
      await app.close();
    `;
    await writeFile(script, source);
    const { stderr } = await exec(process.execPath, [script]);
    expect(stderr.trim()).toBe(isLoaded ? 'ioredis' : '');
  });

  it.each([
    ['import', 'main.mjs', (entry: string) => `import * as entry from '${entry}';`],
    ['require', 'main.cjs', (entry: string) => `const entry = require('${entry}');`],
  ])('answers to %s', async (_kind, file, load) => {
    for (const [entry, name] of [
      ['nest-service-discovery', 'ServiceDiscoveryModule'],
      ['nest-service-discovery/core', 'createLoadBalancer'],
      ['nest-service-discovery/testing', 'ManualClock'],
    ] as const) {
      const script = join(built.consumer, file);
      await writeFile(script, `${load(entry)}\nconsole.log(typeof entry.${name});`);
      const { stdout, stderr } = await exec(process.execPath, [script]);
      expect({ entry, stdout: stdout.trim(), stderr }).toEqual({ entry, stdout: 'function', stderr: '' });
    }
  });
});
