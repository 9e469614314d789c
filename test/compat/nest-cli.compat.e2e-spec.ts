import { type ChildProcess, spawn } from 'node:child_process';
import { once as emitted } from 'node:events';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from '@jest/globals';
import { freePort } from '../../bench/support/free-port.js';
import { type FreshApp } from '../support/fresh-app.js';
import { onNode, once, QUIETLY, sharedLibrary, succeed } from './shared-apps.js';

/** What the builders of the CLI and tsx need besides what `nest new` writes. The CLI builds ES modules by rspack alone. */
const TOOLS = {
  11: ['@swc/cli', '@swc/core', 'tsx'],
  12: ['@rspack/core', 'tsconfig-paths-webpack-plugin', 'webpack-node-externals', '@swc/cli', '@swc/core', 'tsx'],
};
/** The Node that the CLI of Nest 12 is made for. */
const NODE = '24';

/** What `nest new`, `nest add` and `nest generate` make, without a line written by hand. */
async function madeByCli(nest: 11 | 12): Promise<FreshApp> {
  const path = await once(`made-by-cli-${nest}`, async (made) => {
    const outside = await onNode(dirname(made), NODE);
    const options = ['--skip-git', '--skip-install', '--package-manager', 'npm'];
    await succeed(outside, 'npx', '--yes', `@nestjs/cli@${nest}`, 'new', basename(made), ...options);
    const app = await onNode(made, NODE);
    await succeed(app, 'npm', 'install', ...QUIETLY, (await sharedLibrary()).tarball);
    await succeed(app, 'npm', 'install', '--save-dev', ...QUIETLY, ...TOOLS[nest]);
    await succeed(app, 'npx', 'nest', 'add', 'nest-service-discovery', '--skip-install', '--mode', 'memory_only');
    await succeed(app, 'npx', 'nest', 'generate', '-c', 'nest-service-discovery', 'client', 'user');
  });
  return onNode(path, NODE);
}

const running = new Set<ChildProcess>();

/** Ends it with all processes that it started. */
async function end(child: ChildProcess): Promise<void> {
  running.delete(child);
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = emitted(child, 'exit');
  process.kill(-child.pid!, 'SIGTERM');
  await ended;
}
afterEach(async () => {
  for (const child of running) await end(child);
});

interface Listed {
  readonly service_name: string;
  readonly status: string;
  readonly instances: readonly { readonly generation: number }[];
}

/** Runs the app, and waits until its own registry, which its dashboard shows, says that it is healthy. */
async function startedBy(app: FreshApp, command: string, ...args: readonly string[]) {
  const port = await freePort();
  const child = spawn(command, args, {
    cwd: app.directory,
    env: { ...app.env, PORT: String(port) },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  running.add(child);
  const output = Promise.all([text(child.stdout), text(child.stderr)]).then((parts) => parts.join(''));
  const url = `http://127.0.0.1:${port}/service-discovery`;
  const list = async (): Promise<readonly Listed[]> =>
    fetch(`${url}/services`).then(
      async (answer) => ((await answer.json()) as { services: readonly Listed[] }).services,
      () => [],
    );
  const until = async (holds: () => Promise<boolean>): Promise<void> => {
    while (!(await holds())) {
      if (child.exitCode !== null) throw new Error(`${[command, ...args].join(' ')} ended:\n${await output}`);
      await sleep(100);
    }
  };
  const isHealthy = ({ service_name, status }: Listed): boolean =>
    service_name === basename(app.directory) && status === 'healthy';
  const healthy = (): Promise<void> => until(async () => (await list()).some(isHealthy));
  const generations = async (): Promise<readonly number[]> =>
    (await list()).flatMap(({ instances }) => instances.map(({ generation }) => generation));
  await healthy();
  return { url, healthy, generations, until };
}

describe.each([11, 12] as const)('Nest %i', (nest) => {
  it('nest add: nest start registers it, finds it healthy and shows it on the dashboard', async () => {
    const app = await madeByCli(nest);
    const { url, generations } = await startedBy(app, 'npx', 'nest', 'start');
    expect(await generations()).toHaveLength(1);
    expect((await fetch(`${url}/ui`)).status).toBe(200);
    expect(await (await fetch(`${url}/health/aggregated`)).json()).toMatchObject({ overall_status: 'healthy' });
  });

  it('nest add and nest generate change nothing the second time', async () => {
    const app = await madeByCli(nest);
    const again = await succeed(app, 'npx', 'nest', 'add', 'nest-service-discovery', '--skip-install');
    expect(again).toContain('Nothing to be done.');
    const client = await succeed(app, 'npx', 'nest', 'generate', '-c', 'nest-service-discovery', 'client', 'user');
    expect(client).toContain('Nothing to be done.');
  });

  it(nest === 11 ? 'npm test: Jest in a CommonJS project' : 'npm test: Vitest', async () => {
    const output = await succeed(await madeByCli(nest), 'npm', 'test');
    expect(output).toMatch(/2 passed/);
  });

  it('nest start --watch registers it again after a change', async () => {
    const app = await madeByCli(nest);
    const { generations, healthy, until } = await startedBy(app, 'npx', 'nest', 'start', '--watch');
    const service = join(app.directory, 'src/app.service.ts');
    const before = await readFile(service);
    try {
      const [first] = await generations();
      await appendFile(service, '\nexport const changed = true;\n');
      await until(async () => (await generations()).some((generation) => generation !== first));
      await healthy();
      expect(await generations()).toHaveLength(1);
    } finally {
      await writeFile(service, before);
    }
  });

  it.each(nest === 11 ? ['webpack', 'swc'] : ['rspack', 'swc'])('nest build --builder %s', async (builder) => {
    const app = await madeByCli(nest);
    await succeed(app, 'npx', 'nest', 'build', '--builder', builder);
    await startedBy(app, 'node', 'dist/main.js');
  });

  it('tsx', async () => startedBy(await madeByCli(nest), 'npx', 'tsx', 'src/main.ts').then(() => undefined));
});
