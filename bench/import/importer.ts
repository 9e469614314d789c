/**
 * Imports Nest and then the named modules, may start an app, and reports what each took to the parent process. Its argument is an
 * `ImportOrder`. It imports at runtime only what an app installs, since it is copied to where that is installed.
 */
import { createRequire } from 'node:module';
import type * as Common from '@nestjs/common';
import type * as Core from '@nestjs/core';
import type * as PlatformExpress from '@nestjs/platform-express';
import type * as Discovery from 'nest-service-discovery';
import { type Loading } from '../support/stacks.js';

export interface ImportOrder {
  readonly loading: Loading;
  readonly names: readonly string[];
  /** The app to start then: a hello-world on Express, without the module or with it. */
  readonly app?: 'bare' | 'discoverable';
}

export interface Imported {
  /** Processor time and resident memory of Nest. */
  readonly nestMs: number;
  readonly nestMb: number;
  /** What the named modules took on top. */
  readonly addedMs: number;
  readonly addedMb: number;
  /** From the first line of the app's `bootstrap` until it listens: processor time, and elapsed time; 0 without an app. */
  readonly startMs: number;
  readonly startElapsedMs: number;
}

const NEST = ['reflect-metadata', '@nestjs/common', '@nestjs/core'];

const { loading, names, app } = JSON.parse(process.argv[2]!) as ImportOrder;
const require = createRequire(import.meta.url);

async function load<Module>(name: string): Promise<Module> {
  return (loading === 'require' ? require(name) : await import(name)) as Module;
}

interface Taken {
  readonly ms: number;
  readonly mb: number;
  readonly elapsedMs: number;
}

async function measure(work: () => Promise<void>): Promise<Taken> {
  const memory = process.memoryUsage.rss();
  const [began, before] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(before);
  const elapsedMs = performance.now() - began;
  return { ms: (user + system) / 1_000, mb: (process.memoryUsage.rss() - memory) / 1e6, elapsedMs };
}

const loadAll = (all: readonly string[]) => async (): Promise<void> => {
  for (const name of all) await load(name);
};

/** Defines the app ahead, as a file of it would be loaded. */
async function starterOf(kind: 'bare' | 'discoverable'): Promise<() => Promise<void>> {
  const { Controller, Get, Module } = await load<typeof Common>('@nestjs/common');
  const { NestFactory } = await load<typeof Core>('@nestjs/core');
  const { ExpressAdapter } = await load<typeof PlatformExpress>('@nestjs/platform-express');
  @Controller()
  class HelloController {
    @Get('hello')
    hello(): { readonly hello: string } {
      return { hello: 'world' };
    }
  }
  const discovery = kind === 'discoverable' && (await load<typeof Discovery>('nest-service-discovery'));
  return async () => {
    const imports = discovery ? [discovery.ServiceDiscoveryModule.forRoot({ mode: 'memory_only' })] : [];
    @Module({ imports, controllers: [HelloController] })
    class HelloApp {}
    const module: Common.Type = HelloApp;
    const created = await NestFactory.create<PlatformExpress.NestExpressApplication>(module, new ExpressAdapter(), {
      logger: false,
    });
    await created.listen(0, '127.0.0.1');
  };
}

const nest = await measure(loadAll(NEST));
const added = await measure(loadAll(names));
const start = app && (await measure(await starterOf(app)));
const result: Imported = {
  nestMs: nest.ms,
  nestMb: nest.mb,
  addedMs: added.ms,
  addedMb: added.mb,
  startMs: start?.ms ?? 0,
  startElapsedMs: start?.elapsedMs ?? 0,
};
process.send!(result, () => process.exit());
