import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

const root = join(import.meta.dirname, '..');
const src = 'libs/service-discovery/src';

/** A small project in which each file except an index and `registry-writes.ts` breaks one rule. */
const FILES: Record<string, string> = {
  [`${src}/common/index.ts`]: `export const common = 1;`,
  [`${src}/common/upward.ts`]: `export { model } from '../model/index.js';`,
  [`${src}/model/index.ts`]: `export { common as model } from '../common/index.js';`,
  [`${src}/store/index.ts`]: `export { model as store } from '../model/index.js';`,
  [`${src}/balancing/sideways.ts`]: `export { store } from '../store/index.js';`,
  [`${src}/registry/a.ts`]: `import { type B } from './b.js';\nexport interface A { b: B }`,
  [`${src}/registry/b.ts`]: `import { type A } from './a.js';\nexport interface B { a: A }`,
  [`${src}/registry/framework.ts`]: `export { Injectable } from '@nestjs/common';`,
  [`${src}/registry/sender.ts`]: `export { Client } from 'undici';`,
  [`${src}/registry/registry-writes.ts`]: `export const writes = 1;`,
  [`${src}/registry/feed/back.ts`]: `export { writes } from '../registry-writes.js';`,
  [`${src}/nest/index.ts`]: `export const nest = 1;`,
  [`${src}/nest/axios/index.ts`]: `export const axios = 1;`,
  [`${src}/core.ts`]: `export { nest } from './nest/index.js';`,
  [`${src}/testing.ts`]: `export { axios } from './nest/axios/index.js';`,
  [`${src}/nest/dashboard/index.ts`]: `export const dashboard = 1;`,
  [`${src}/axios.ts`]: `export { dashboard } from './nest/dashboard/index.js';`,
  'apps/shop/inside.ts': `export { store } from '../../${src}/store/index.js';`,
  'node_modules/@nestjs/common/index.js': `exports.Injectable = 1;`,
  'node_modules/@nestjs/common/package.json': `{ "name": "@nestjs/common", "version": "0.0.0", "main": "index.js" }`,
  'node_modules/undici/index.js': `exports.Client = 1;`,
  'node_modules/undici/package.json': `{ "name": "undici", "version": "0.0.0", "main": "index.js" }`,
  'tsconfig.json': `{ "compilerOptions": { "module": "nodenext" } }`,
};

interface Report {
  summary: { violations: { from: string; rule: { name: string } }[] };
}

describe('the layer check', () => {
  let project: string;
  let broken: string[];

  beforeAll(async () => {
    project = await mkdtemp(join(tmpdir(), 'layers-'));
    for (const [file, content] of Object.entries(FILES)) {
      await mkdir(dirname(join(project, file)), { recursive: true });
      await writeFile(join(project, file), content);
    }
    const tool = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
    const config = join(root, '.dependency-cruiser.cjs');
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [tool, '--config', config, '--output-type', 'json', 'libs', 'apps'],
      { cwd: project },
    ).catch((failed: { stdout: string }) => failed);
    const { violations } = (JSON.parse(stdout) as Report).summary;
    broken = violations.map(({ rule, from }) => `${rule.name}: ${from}`);
  }, 60_000);

  afterAll(() => rm(project, { recursive: true, force: true }));

  it.each([
    ['an import from a layer above', `layer-common: ${src}/common/upward.ts`],
    ['an import between folders of one layer', `layer-balancing: ${src}/balancing/sideways.ts`],
    ['the framework outside nest/', `nest-only-in-nest: ${src}/registry/framework.ts`],
    ['undici outside of its folder', `undici-stays-in-its-folder: ${src}/registry/sender.ts`],
    ['a core entry that reaches nest/', `core-stays-framework-free: ${src}/core.ts`],
    ['an entry that loads the dashboard', `dashboard-stays-optional: ${src}/axios.ts`],
    ['an entry that loads axios', `axios-stays-optional: ${src}/testing.ts`],
    ['a feed of the registry that knows who writes', `registry-one-way-feed: ${src}/registry/feed/back.ts`],
    ['an import cycle, of types too', `no-circular: ${src}/registry/a.ts`],
    ['an app that imports what users cannot', 'apps-use-the-public-entries: apps/shop/inside.ts'],
  ])('rejects %s', (_what, violation) => {
    expect(broken).toContain(violation);
  });

  it('rejects nothing else', () => {
    const byFile = new Set(broken.map((line) => line.split(': ')[1]));
    expect(byFile).toEqual(
      new Set([
        `${src}/common/upward.ts`,
        `${src}/axios.ts`,
        `${src}/balancing/sideways.ts`,
        `${src}/registry/a.ts`,
        `${src}/registry/framework.ts`,
        `${src}/registry/sender.ts`,
        `${src}/registry/feed/back.ts`,
        `${src}/core.ts`,
        `${src}/testing.ts`,
        'apps/shop/inside.ts',
      ]),
    );
  });
});
