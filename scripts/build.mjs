/**
 * Builds the publishable package into dist/libs/service-discovery, then the apps into dist/apps, the benchmarks into
 * dist/bench, the simulations into dist/sim, the soak into dist/soak and the comparison with peers into dist/conformance.
 *
 * Each part is compiled beside the old one and swapped in when it is whole: nothing stale is packed, a failed build
 * leaves the last good one, and apps that run from dist keep their files until the new ones are there.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { decode, encode } from '@jridgewell/sourcemap-codec';
import { transformFile } from '@swc/core';
import { bundle, bundleDeclarations } from './bundle.mjs';

const root = dirname(import.meta.dirname);
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: join(root, 'dist') },
    only: { type: 'string' },
    // For builds of sources whose types are checked elsewhere: takes half the time.
    'no-check': { type: 'boolean', default: false },
  },
});

/** The output of each part. The library comes first: the others are compiled against its types. */
const parts = [
  {
    name: 'libs/service-discovery',
    project: 'libs/service-discovery/tsconfig.build.json',
    isLibrary: true,
    copies: [
      'libs/service-discovery/package.json',
      'libs/service-discovery/openapi.json',
      'libs/service-discovery/schematics',
      'README.md',
      'LICENSE',
      'CHANGELOG.md',
      'ARCHITECTURE.md',
      'SECURITY.md',
      'docs',
    ],
  },
  { name: 'apps', project: 'apps/tsconfig.build.json', copies: [] },
  { name: 'bench', project: 'bench/tsconfig.build.json', copies: [] },
  { name: 'sim', project: 'sim/tsconfig.build.json', copies: [] },
  { name: 'soak', project: 'soak/tsconfig.build.json', copies: [] },
  { name: 'conformance', project: 'conformance/tsconfig.build.json', copies: [] },
];

async function build({ name, project, isLibrary = false, copies }) {
  const target = resolve(values.out, name);
  const fresh = `${target}.${process.pid}.new`;
  const old = `${target}.${process.pid}.old`;
  try {
    await mkdir(fresh, { recursive: true });
    const options = ['--outDir', fresh, '--noCheck', String(values['no-check']), '--sourceMap', String(isLibrary)];
    await run(tsc, ['--project', join(root, project), ...options]);
    if (isLibrary) await packAsLibrary(fresh);
    for (const path of copies) await cp(join(root, path), join(fresh, path.split('/').at(-1)), { recursive: true });
    await rename(target, old).catch((error) => {
      if (error.code !== 'ENOENT') throw error;
    });
    await rename(fresh, target);
  } finally {
    await Promise.all([fresh, old].map((directory) => rm(directory, { recursive: true, force: true })));
  }
}

/** Replaces the compiled modules and their declarations by bundles, as ES modules and as CommonJS. */
async function packAsLibrary(directory) {
  const modules = `${directory}.modules`;
  try {
    await rename(directory, modules);
    await bundleDeclarations(modules, directory, await bundle(modules, directory));
    await addCommonJs(directory);
    await thinMaps(directory);
  } finally {
    await rm(modules, { recursive: true, force: true });
  }
}

/**
 * Transpiles the ES modules to CommonJS in the directory `cjs`, for consumers that cannot `require()` ES modules. The
 * command is left out, since it is never imported.
 */
async function addCommonJs(directory) {
  const target = join(directory, 'cjs');
  for (const file of await readdir(directory, { recursive: true })) {
    if (dirname(file) === 'cli') continue;
    const from = join(directory, file);
    const to = join(target, file);
    await mkdir(dirname(to), { recursive: true });
    if (file.endsWith('.d.ts')) await copyFile(from, to);
    else if (file.endsWith('.js')) {
      const { code, map } = await transformFile(from, COMMONJS);
      await writeFile(to, code);
      if (existsSync(`${from}.map`)) await writeFile(`${to}.map`, deeper(map));
    }
  }
  await writeFile(join(target, 'package.json'), '{ "type": "commonjs" }\n');
}

/**
 * Leaves in the maps a position for each line of the sources, which is what a stack trace needs: positions of every token take
 * four times the space.
 */
async function thinMaps(directory) {
  for (const file of await readdir(directory, { recursive: true })) {
    if (!file.endsWith('.js.map')) continue;
    const path = join(directory, file);
    const map = JSON.parse(await readFile(path, 'utf8'));
    const startsLine = ([, source, line], index, segments) =>
      index === 0 || source !== segments[index - 1][1] || line !== segments[index - 1][2];
    const lines = decode(map.mappings).map((segments) => segments.filter(startsLine).map((at) => at.slice(0, 4)));
    await writeFile(path, JSON.stringify({ ...map, names: [], mappings: encode(lines) }));
  }
}

/** The map for a file that is a folder deeper. */
function deeper(text) {
  const map = JSON.parse(text);
  return JSON.stringify({ ...map, sources: map.sources.map((source) => `../${source}`) });
}

function run(script, args) {
  return new Promise((done, reject) => {
    const child = spawn(process.execPath, [script, ...args], {
      cwd: root,
      stdio: ['ignore', process.stderr.fd, process.stderr.fd],
    });
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      if (code === 0) done();
      else reject(new Error(`tsc ended with ${signal ?? `exit code ${code}`}`));
    });
  });
}

const COMMONJS = {
  swcrc: false,
  jsc: { target: 'es2022' },
  sourceMaps: true,
  // Interpret default exports of CommonJS packages as Node does, as in the ES modules.
  module: { type: 'commonjs', importInterop: 'node' },
};

const wanted = parts.filter(({ name }) => values.only === undefined || name === values.only);
try {
  for (const part of wanted) await build(part);
} catch (error) {
  console.error(`build: ${error.message}`);
  process.exitCode = 1;
}
