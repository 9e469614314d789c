import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ProcessGroup, type ServiceProcess } from '../apps/support/processes.js';
import {
  addSources,
  type BuiltPackage,
  buildPackage,
  BUILD_TIMEOUT_MS,
  compileSources,
} from './support/built-package.js';
import { readPages } from './support/pages.js';
import { pollUntil } from './support/poll.js';

const page = (await readPages()).get('docs/from-http-service.md')!;
/** The address of user-service in the apps before. */
const FIXED_URL = 'http://127.0.0.1:3001';

type Files = Readonly<Record<string, string>>;

/** A diff of the page: what it makes of which part of a file. */
interface Diff {
  readonly file: string;
  readonly before: string;
  readonly after: string;
}

function diffsIn(text: string): Diff[] {
  return [...text.matchAll(/```diff\n \/\/ (\S+)\n(.*?)```/gs)].map(([, file, diff]) => {
    const side = (other: string): string =>
      diff!.replaceAll(new RegExp(`^\\${other}.*\n`, 'gm'), '').replaceAll(/^[ +-]/gm, '');
    return { file: file!, before: side('+'), after: side('-') };
  });
}

function apply(files: Files, diffs: readonly Diff[]): Files {
  const changed = { ...files };
  for (const { file, before, after } of diffs) {
    expect(changed[file]).toContain(before);
    changed[file] = changed[file]!.replace(before, after);
  }
  return changed;
}

/** The lines of an app that another state of it does not have. */
function addedLines(app: string, before: Files, after: Files): number {
  let added = 0;
  for (const file of Object.keys(after).filter((name) => name.startsWith(app))) {
    const left = before[file]!.split('\n');
    for (const line of after[file]!.split('\n')) {
      const place = left.indexOf(line);
      if (place === -1) added++;
      else left.splice(place, 1);
    }
  }
  return added;
}

const [forDiscovery, forProtection] = page.split('\n## Protection\n').map(diffsIn) as [Diff[], Diff[]];
const shown = Object.fromEntries(forDiscovery.map(({ file, before }) => [file, before]));
/** The apps as they were, with the files that stay as they are. */
const before: Files = {
  ...shown,
  'order-service/main.ts': shown['user-service/main.ts']!.replace('user-service', 'order-service'),
  'user-service/users.controller.ts': `
    import { Controller, Get, Param } from '@nestjs/common';
    @Controller('users')
    export class UsersController {
      @Get(':id')
      find(@Param('id') id: string) {
        return { id, servedBy: process.pid };
      }
    }`,
};
const discovery = apply(before, forDiscovery);
const protection = apply(discovery, forProtection);

let built: BuiltPackage;
let group: ProcessGroup;
let registryUrl: string;

beforeAll(async () => {
  built = await buildPackage({ name: 'swapped', type: 'module' });
  await addSources(built, 'apps');
  for (const [state, files] of Object.entries({ before, discovery, protection })) {
    for (const [file, source] of Object.entries(files)) {
      const path = join(built.consumer, state, file);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, source.replace(FIXED_URL, '${process.env.USERS_URL}'));
    }
  }
  await compileSources(built, ['before', 'discovery', 'protection']);
  group = new ProcessGroup({ directory: pathToFileURL(`${built.consumer}/`), startTimeoutMs: 120_000 });
  const registry = await group.start({ name: 'registry', script: 'registry/main.js', env: { PORT: '0' } });
  registryUrl = registry.url;
}, BUILD_TIMEOUT_MS);

afterAll(async () => {
  await group.stop();
  await built.remove();
});

function start(script: string, more: Record<string, string> = {}): Promise<ServiceProcess> {
  const env = {
    PORT: '0',
    SERVICE_DISCOVERY_REGISTRY_URL: registryUrl,
    SERVICE_DISCOVERY_HOST: '127.0.0.1',
    ...more,
  };
  return group.start({ name: script, script: `${script}/main.js`, env });
}

const call = ({ url }: ServiceProcess): Promise<Response> => fetch(`${url}/orders/of/ada`);
const servedBy = async (response: Response): Promise<number | undefined> =>
  ((await response.json()) as { user?: { servedBy: number } }).user?.servedBy;

async function startUsers(state: string, orders: ServiceProcess): Promise<ServiceProcess[]> {
  const users = await Promise.all([start(`${state}/user-service`), start(`${state}/user-service`)]);
  const seen = new Set<number | undefined>();
  await pollUntil('calls to both processes', async () => {
    seen.add(await servedBy(await call(orders)));
    return users.every(({ pid }) => seen.has(pid));
  });
  return users;
}

async function end(process: ServiceProcess, signal: NodeJS.Signals): Promise<void> {
  process.kill(signal);
  await process.ended;
}

describe('an app of HttpService and fixed URLs', () => {
  it('fails its calls when the process behind the URL is killed', async () => {
    const users = await start('before/user-service');
    const orders = await start('before/order-service', { USERS_URL: users.url });
    expect(await servedBy(await call(orders))).toBe(users.pid);
    await end(users, 'SIGKILL');
    expect((await call(orders)).status).toBe(500);
  });

  it('fails no call after the diff for discovery, of at most 5 lines for each app, when one of two processes is killed', async () => {
    expect(addedLines('order-service', before, discovery)).toBe(4);
    expect(addedLines('user-service', before, discovery)).toBe(4);
    const orders = await start('discovery/order-service');
    const [victim, survivor] = await startUsers('discovery', orders);
    const calls = (): Promise<Response>[] => Array.from({ length: 20 }, () => call(orders));
    const during = calls();
    const killed = end(victim!, 'SIGKILL');
    const answers = await Promise.all([...during, ...calls()]);
    await killed;
    const after = await Promise.all(calls());
    expect([...answers, ...after].map(({ status }) => status)).toEqual(Array(60).fill(200));
    expect(new Set(await Promise.all(after.map(servedBy)))).toEqual(new Set([survivor!.pid]));
    // The next test has processes of its own.
    await end(survivor!, 'SIGTERM');
  });

  it('answers also without a process after the diff for protection, of at most 10 lines in all', async () => {
    expect(addedLines('order-service', before, protection)).toBe(10);
    const orders = await start('protection/order-service');
    const users = await startUsers('protection', orders);
    await Promise.all(users.map((process) => end(process, 'SIGKILL')));
    const answer = await call(orders);
    expect(answer.status).toBe(200);
    expect(users.map(({ pid }) => pid)).toContain(await servedBy(answer));
  });
});
