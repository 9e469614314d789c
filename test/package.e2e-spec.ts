import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { basename, dirname, join, posix, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import semver from 'semver';
import { buildPackage, type BuiltPackage, BUILD_TIMEOUT_MS } from './support/built-package.js';

const exec = promisify(execFile);
const root = join(import.meta.dirname, '..');
const library = join(root, 'libs/service-discovery');

type Target = string | { [condition: string]: Target };

interface Manifest {
  name: string;
  version: string;
  license: string;
  type: string;
  sideEffects: boolean;
  engines: { node: string };
  exports: Record<string, Target>;
  dependencies: Record<string, string>;
  devDependencies?: Record<string, string>;
  peerDependencies: Record<string, string>;
  peerDependenciesMeta: Record<string, { optional: boolean }>;
  scripts?: unknown;
}

const readManifest = async (directory: string): Promise<Manifest> =>
  JSON.parse(await readFile(join(directory, 'package.json'), 'utf8')) as Manifest;

const mapValues = (of: Record<string, Target>, change: (target: Target) => Target): Record<string, Target> =>
  Object.fromEntries(Object.entries(of).map(([key, target]) => [key, change(target)]));

const filesOf = (target: Target): readonly string[] =>
  typeof target === 'string' ? [target] : Object.values(target).flatMap(filesOf);

/** Start of a script in which none of these packages can be resolved. */
function hiding(...names: readonly string[]): string {
  const hidden = JSON.stringify(names);
  const hook = `export function resolve(name, context, next) {
    if (${hidden}.includes(name)) throw new Error('not installed');
    return next(name, context);
  }`;
  return `
    import Module, { register } from 'node:module';
    register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hook)}`)});
    const resolve = Module._resolveFilename;
    Module._resolveFilename = (name, ...rest) => {
      if (${hidden}.includes(name)) throw new Error('not installed');
      return resolve(name, ...rest);
    };
  `;
}

/** Names of packages that the published sources import. */
async function importedPackages(): Promise<string[]> {
  const files = await readdir(join(library, 'src'), { recursive: true });
  const names = new Set<string>();
  for (const file of files) {
    if (!file.endsWith('.ts') || file.endsWith('.spec.ts')) continue;
    const source = await readFile(join(library, 'src', file), 'utf8');
    for (const [, specifier] of source.matchAll(
      /(?:^(?:import|export|\}).*\bfrom\s+|\bimport\s*\(?\s*)'([^'.\n][^'\n]*)'/gm,
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

  it('requires the dependencies that the workspace is tested with', () => {
    const tested = Object.keys(own.dependencies).map((name) => [name, workspace.devDependencies![name]]);
    expect(own.dependencies).toEqual(Object.fromEntries(tested));
  });

  it('accepts the versions that the workspace is tested with as peers', () => {
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

  it('makes only axios, the scheduler, Terminus, OpenTelemetry, class-transformer and the HTTP platform optional', () => {
    expect(own.peerDependenciesMeta).toEqual({
      '@nestjs/axios': { optional: true },
      '@nestjs/platform-express': { optional: true },
      '@nestjs/platform-fastify': { optional: true },
      '@nestjs/schedule': { optional: true },
      '@nestjs/terminus': { optional: true },
      '@opentelemetry/api': { optional: true },
      axios: { optional: true },
      'class-transformer': { optional: true },
    });
  });

  it('declares every package that the sources import', async () => {
    // What a schematic writes imports the package itself.
    const declared = [own.name, ...Object.keys(own.dependencies), ...Object.keys(own.peerDependencies)];
    expect(declared).toEqual(expect.arrayContaining(await importedPackages()));
  });

  it('has no install scripts and no development dependencies', () => {
    expect(own.scripts).toBeUndefined();
    expect(own.devDependencies).toBeUndefined();
  });

  it('has the same entries as in the workspace', () => {
    const { './package.json': _, ...entries } = own.exports;
    const inDist = (target: Target): Target =>
      typeof target === 'string' ? target.replace('./', './dist/libs/service-discovery/') : mapValues(target, inDist);
    expect(workspace.exports).toEqual(mapValues(entries, inDist));
  });
});

describe('the built package', () => {
  let built: BuiltPackage;

  beforeAll(async () => {
    built = await buildPackage({ name: 'consumer' });
  }, BUILD_TIMEOUT_MS);

  afterAll(() => built.remove());

  it('has a file behind every export, including types', async () => {
    const { exports } = await readManifest(built.package);
    const targets = filesOf(exports);
    expect(targets.filter((target) => !existsSync(join(built.package, target)))).toEqual([]);
    expect(targets).toEqual(expect.arrayContaining(['./index.d.ts', './cjs/index.d.ts']));
  });

  async function packedPaths(): Promise<readonly string[]> {
    const { stdout } = await exec('npm', ['pack', '--dry-run', '--json'], {
      cwd: built.package,
      shell: process.platform === 'win32',
    });
    const [packed] = JSON.parse(stdout) as [{ files: { path: string }[] }];
    return packed.files.map(({ path }) => path);
  }

  it('includes its documents and no specs', async () => {
    const paths = await packedPaths();
    expect(paths).toEqual(
      expect.arrayContaining([
        ...['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'core.js', 'core.d.ts'],
        ...['cjs/package.json', 'cjs/core.js', 'cjs/core.d.ts', 'shared/core.js.map', 'cjs/shared/core.js.map'],
        ...['schematics/collection.json', 'schematics/nest-add.json', 'cjs/schematics/index.js'],
      ]),
    );
    expect(paths.filter((path) => /\.spec\.|tsbuildinfo/.test(path))).toEqual([]);
  });

  it("has types that name no Redis client, so that another version's client fits", async () => {
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
    for (const entry of ['index', 'axios', 'core', 'dashboard', 'testing'])
      await follow(join(built.package, `${entry}.d.ts`));
    expect(reached).toContain(join(built.package, 'shared/core.d.ts'));
    expect([...needed]).not.toContain('ioredis');
  });

  it('needs @nestjs/schedule only for cron expressions', async () => {
    const script = join(built.consumer, 'without-schedule.mjs');
    const source = `
      ${hiding('@nestjs/schedule')}
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

  it('needs @nestjs/axios and axios only for ./axios and the axios transport', async () => {
    const script = join(built.consumer, 'without-axios.mjs');
    const source = `
      ${hiding('@nestjs/axios', 'axios')}
      const { NestFactory } = await import('@nestjs/core');
      const { ServiceDiscoveryModule } = await import('nest-service-discovery');
      await import('nest-service-discovery/core');
      await import('nest-service-discovery/testing');
      for (const transport of ['undici', 'axios', { type: 'axios', tls: {} }]) {
        const imports = [ServiceDiscoveryModule.forRoot({ mode: 'memory_only', transport, logging: false })];
        const app = NestFactory.createApplicationContext(
          { module: class App {}, imports },
          { logger: false, abortOnError: false },
        );
        const outcome = await app.then((made) => made.close().then(() => 'closed'), ({ message }) => message);
        console.log(outcome.split('\\n').find((line) => !line.startsWith('Invalid')));
      }
      console.log(await import('nest-service-discovery/axios').catch(({ message }) => message));
    `;
    await writeFile(script, source);
    const { stdout } = await exec(process.execPath, [script]);
    const [withUndici, ...withAxios] = stdout.trim().split('\n');
    expect(withUndici).toBe('closed');
    const refused = expect.stringContaining('npm install @nestjs/axios axios');
    expect(withAxios).toEqual([refused, refused, 'not installed']);
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

  it('loads few files of its own, and no package that only calls need', async () => {
    const script = join(built.consumer, 'loaded.mjs');
    const log = join(built.consumer, 'loaded.log');
    // The hook runs in a thread of its own: a line that is appended to a file stays whole.
    const hook = `import { appendFileSync } from 'node:fs';
    export async function load(url, context, next) {
      appendFileSync(${JSON.stringify(log)}, url + '\\n');
      return next(url, context);
    }`;
    const source = `
      ${hiding('@nestjs/schedule', '@nestjs/terminus', '@nestjs/axios', 'axios')}
      import { appendFileSync } from 'node:fs';
      import { createRequire } from 'node:module';
      import { pathToFileURL } from 'node:url';
      register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hook)}`)});
      const { cache } = createRequire(import.meta.url);
      const step = () => {
        const urls = Object.keys(cache).map((file) => pathToFileURL(file).href);
        appendFileSync(${JSON.stringify(log)}, urls.join('\\n') + '\\n---\\n');
      };
      await import('reflect-metadata');
      await import('@nestjs/common');
      const { NestFactory } = await import('@nestjs/core');
      await import('@nestjs/platform-express');
      step();
      const { ServiceDiscoveryModule } = await import('nest-service-discovery');
      step();
      const imports = [ServiceDiscoveryModule.forRoot({ mode: 'memory_only', logging: false })];
      const app = await NestFactory.create({ module: class App {}, imports }, { logger: false });
      await app.init();
      step();
      await app.close();
    `;
    await writeFile(script, source);
    await exec(process.execPath, [script]);
    const steps = (await readFile(log, 'utf8')).split('---\n');
    const [nest, imported, initialised] = steps.map((step) => step.trim().split('\n'));
    const packagesOf = (...steps: readonly (readonly string[])[]): string[] =>
      [...new Set(steps.flat().flatMap((url) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? []))].sort();
    const added = (...steps: readonly (readonly string[])[]): string[] =>
      packagesOf(...steps).filter((name) => !packagesOf(nest!).includes(name));
    const ownFiles = (urls: readonly string[]): string[] =>
      [...new Set(urls.filter((url) => url.startsWith(pathToFileURL(built.package).href)))].map((url) => basename(url));
    // Express has ipaddr.js loaded before.
    expect(added(imported!)).toEqual(['semver']);
    // Undici waits for the first call, or for the start of an app that makes calls.
    expect(added(imported!, initialised!)).toEqual(['semver']);
    expect(ownFiles([...imported!, ...initialised!]).sort()).toEqual([
      'core.js',
      'index.js',
      'nest.js',
      'rolldown-runtime.js',
    ]);
  });

  it.each(['core.js', 'nest.js'])(
    'imports no node:http, which would load the undici inside of Node: %s',
    async (file) => {
      expect(await readFile(join(built.package, 'shared', file), 'utf8')).not.toMatch(/from ["']node:http["']/);
    },
  );

  it('is ASCII, since V8 keeps and compiles other sources at two bytes a character', async () => {
    const modules = (await packedPaths()).filter((path) => path.endsWith('.js'));
    const sources = await Promise.all(modules.map((path) => readFile(join(built.package, path), 'latin1')));
    expect(modules).toContain('shared/core.js');
    expect(modules.filter((_, index) => /[^\0-\x7f]/.test(sources[index]!))).toEqual([]);
  });

  it('has maps that lead to files of the sources alone', async () => {
    const maps = (await packedPaths()).filter((path) => path.endsWith('.map'));
    const sources = maps.map(async (path) => {
      const map = JSON.parse(await readFile(join(built.package, path), 'utf8')) as { sources: string[] };
      return map.sources.map((source) => posix.join(posix.dirname(path), source));
    });
    const paths = (await Promise.all(sources)).flat();
    expect(paths.length).toBeGreaterThan(500);
    expect(paths.filter((path) => !path.startsWith('src/') || !existsSync(join(library, path)))).toEqual([]);
  });

  it.each(['', '--no-experimental-require-module'])(
    'names the line of the source in stack traces with --enable-source-maps %s',
    async (flag) => {
      const script = join(built.consumer, 'throws.cjs');
      await writeFile(script, "require('nest-service-discovery/core').createLoadBalancer('unknown');");
      const flags = ['--enable-source-maps', ...(flag ? [flag] : [])];
      const { stderr } = await exec(process.execPath, [...flags, script]).catch((error: { stderr: string }) => error);
      const [, file, line] = / at .*\((.+\.ts):(\d+):\d+\)/.exec(stderr) ?? [];
      const source = await readFile(join(library, relative(built.package, file ?? '')), 'utf8');
      expect(source.split('\n')[Number(line) - 1]).toContain('throw new InvalidConfigurationError(');
    },
  );

  it('has the page of the dashboard, which is small and names no other host', async () => {
    const script = join(built.consumer, 'page.mjs');
    const source = `
      import { NestFactory } from '@nestjs/core';
      import { ServiceDiscoveryModule } from 'nest-service-discovery';
      import { ServiceDiscoveryDashboardModule } from 'nest-service-discovery/dashboard';
      const imports = [ServiceDiscoveryModule.forRoot({ mode: 'memory_only', logging: false }), ServiceDiscoveryDashboardModule];
      const app = await NestFactory.create({ module: class App {}, imports }, { logger: false });
      await app.listen(0, '127.0.0.1');
      const page = await app.getUrl() + '/service-discovery/ui';
      const html = await fetch(page).then((answer) => answer.text());
      const files = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path).filter((path) => !path.startsWith('data:'));
      const answers = await Promise.all(files.map((path) => fetch(new URL(path, page))));
      const sizes = answers.map(({ ok, headers }) => ok && Number(headers.get('content-length')));
      console.log(JSON.stringify({ html, files, sizes }));
      await app.close();
    `;
    await writeFile(script, source);
    const { stdout } = await exec(process.execPath, [script]);
    const { html, files, sizes } = JSON.parse(stdout) as { html: string; files: string[]; sizes: number[] };
    expect(files).toEqual(
      expect.arrayContaining([expect.stringMatching(/^\.\/ui\/.*\.js$/), expect.stringMatching(/^\.\/ui\/.*\.css$/)]),
    );
    expect(html).not.toMatch(/(?:src|href)="(?:\w+:)?\/\//);
    // Compressed.
    expect(Math.min(...sizes)).toBeGreaterThan(1_000);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(150_000);
  });

  it.each(['', '/axios', '/core', '/dashboard', '/kong', '/testing'])(
    'gives require() and import of nest-service-discovery%s the same classes in one process, and declares what is there',
    async (entry) => {
      const { differing, names } = await compareBoth(`nest-service-discovery${entry}`);
      expect(names.length).toBeGreaterThan(entry === '/dashboard' ? 0 : 1);
      expect(differing).toEqual([]);
      const declarations = await readFile(join(built.package, `${entry || 'index'}.d.ts`), 'utf8');
      const exported = [...declarations.matchAll(/^export \{ (.+) \}/gm)].flatMap(([, list]) => list!.split(', '));
      const values = exported.filter((name) => !name.startsWith('type ')).map((name) => name.split(' as ').at(-1));
      expect(values.sort()).toEqual([...names].sort());
    },
  );

  // Nest 12 cannot be loaded this way, but the framework-free parts can.
  it('is complete as CommonJS for consumers that cannot require() ES modules', async () => {
    const { required, names, missing } = await compareBoth(
      'nest-service-discovery/core',
      '--no-experimental-require-module',
    );
    expect(required).toBe(join(built.package, 'cjs/core.js'));
    expect(names).toContain('ServiceCommunicator');
    expect(missing).toEqual([]);
  });

  interface Comparison {
    /** The file that `require()` loads. */
    readonly required: string;
    /** Exports of `import`. */
    readonly names: readonly string[];
    /** Those that `require()` lacks. */
    readonly missing: readonly string[];
    /** Those that differ under `require()`. */
    readonly differing: readonly string[];
  }

  async function compareBoth(entry: string, ...flags: readonly string[]): Promise<Comparison> {
    const script = join(built.consumer, 'both.cjs');
    const source = `
      const { realpathSync } = require('node:fs');
      const required = require('${entry}');
      import('${entry}').then((imported) => {
        const names = Object.keys(imported);
        const missing = names.filter((name) => !(name in required));
        const differing = names.filter((name) => imported[name] !== required[name]);
        console.log(JSON.stringify({ required: realpathSync(require.resolve('${entry}')), names, missing, differing }));
      });
    `;
    await writeFile(script, source);
    const { stdout } = await exec(process.execPath, [...flags, script]);
    return JSON.parse(stdout) as Comparison;
  }
});
