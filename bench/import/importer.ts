/** Imports Nest and then the named modules, and reports what each took to the parent process. Forked by `main.ts`. */
import { createRequire } from 'node:module';

export interface Imported {
  /** The version of Node. */
  readonly node: string;
  /** Processor time and resident memory of Nest. */
  readonly nestMs: number;
  readonly nestMb: number;
  /** What the named modules took on top. */
  readonly addedMs: number;
  readonly addedMb: number;
}

const NEST = ['reflect-metadata', '@nestjs/common', '@nestjs/core'];

const [how, ...names] = process.argv.slice(2);
const require = createRequire(import.meta.url);

async function load(all: readonly string[]): Promise<{ ms: number; mb: number }> {
  const memory = process.memoryUsage.rss();
  const before = process.cpuUsage();
  for (const name of all) {
    if (how === 'require') require(name);
    else await import(name);
  }
  const { user, system } = process.cpuUsage(before);
  return { ms: (user + system) / 1_000, mb: (process.memoryUsage.rss() - memory) / 1e6 };
}

const nest = await load(NEST);
const added = await load(names);
const result: Imported = {
  node: process.versions.node,
  nestMs: nest.ms,
  nestMb: nest.mb,
  addedMs: added.ms,
  addedMb: added.mb,
};
process.send?.(result);
process.disconnect();
