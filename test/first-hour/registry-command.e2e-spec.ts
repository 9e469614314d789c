import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { buildLibrary } from '../support/build-library.js';
import { BUILD_TIMEOUT_MS } from '../support/built-package.js';
import { RedisServer } from '../support/redis-server.js';

const packages = join(import.meta.dirname, '../../node_modules');
const running = new Set<ChildProcess>();
let projects: string;
let project: string;

beforeAll(async () => {
  projects = await mkdtemp(join(tmpdir(), 'registry-command-'));
  project = await makeProject('express', ['@nestjs/platform-express']);
}, BUILD_TIMEOUT_MS);

afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
  running.clear();
});

afterAll(() => rm(projects, { recursive: true, force: true }));

interface Manifest {
  readonly bin: Readonly<Record<string, string>>;
  readonly dependencies: object;
  readonly peerDependencies: object;
  readonly peerDependenciesMeta: object;
}

const installedIn = (directory: string): string => join(directory, 'node_modules/nest-service-discovery');
const manifestOf = async (directory: string): Promise<Manifest> =>
  JSON.parse(await readFile(join(directory, 'package.json'), 'utf8')) as Manifest;

/** A project outside the workspace with the library and its dependencies, optionally without some, or with others. */
async function makeProject(name: string, extra: readonly string[], without?: string): Promise<string> {
  const directory = join(projects, name);
  const built = await buildLibrary();
  await cp(built, installedIn(directory), { recursive: true });
  const { dependencies, peerDependencies, peerDependenciesMeta } = await manifestOf(built);
  const peers = Object.keys(peerDependencies).filter((peer) => !(peer in peerDependenciesMeta));
  for (const needed of [...Object.keys(dependencies), ...peers, ...extra]) {
    if (needed === without) continue;
    const link = join(directory, 'node_modules', needed);
    await mkdir(dirname(link), { recursive: true });
    await symlink(join(packages, needed), link);
  }
  return directory;
}

/** Starts the command that the manifest declares. */
async function start(directory: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<ChildProcess> {
  const { bin } = await manifestOf(installedIn(directory));
  const own = Object.entries(process.env).filter(([name]) => !/^(SERVICE_DISCOVERY|NODE_OPTIONS|JEST)/.test(name));
  const child = spawn(process.execPath, [join(installedIn(directory), bin['nest-service-discovery']!), ...args], {
    cwd: directory,
    // Without NO_COLOR: a pipe has to be enough for lines without colours.
    env: { ...Object.fromEntries(own), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  return child;
}

interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(args: readonly string[], directory = project, env: NodeJS.ProcessEnv = {}): Promise<Finished> {
  const child = await start(directory, args, env);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout!),
    text(child.stderr!),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  return { code, stdout, stderr };
}

interface Registry {
  readonly url: string;
  /** Its output so far. */
  output(): string;
  end(signal: NodeJS.Signals): Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

/** Resolves when it listens. */
async function startRegistry(args: readonly string[], directory = project, env = {}): Promise<Registry> {
  const child = await start(directory, ['registry', '--port', '0', ...args], env);
  let output = '';
  const url = await new Promise<string>((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      output += String(chunk);
      const listens = /listens on (http:\S+)/.exec(output);
      if (listens) resolve(listens[1]!);
    };
    child.stdout!.on('data', read);
    child.stderr!.on('data', read);
    child.once('exit', () => reject(new Error(`The registry has ended: ${output}`)));
  });
  const end: Registry['end'] = async (signal) => {
    const ended = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
    child.kill(signal);
    const [code, by] = await ended;
    return { code, signal: by };
  };
  return { url, output: () => output, end };
}

/** The status of a registration that claims to be forwarded, so not local. */
async function register(url: string, authorization?: string): Promise<number> {
  const response = await fetch(`${url}/service-discovery/register`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-forwarded-for': '192.0.2.7',
      ...(authorization !== undefined && { authorization }),
    },
    body: JSON.stringify({ service_name: 'billing', host: '192.0.2.7', port: 8080 }),
  });
  return response.status;
}

describe('npx nest-service-discovery registry', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'says what it is, serves those with the token, and exits 0 at %s',
    async (signal) => {
      const registry = await startRegistry(['--token', 'secret']);
      expect(registry.output()).toContain(
        'Registry: this process (memory_only); namespace default; registers nothing; ' +
          'API at /service-discovery, reading and writing with the token or from this machine',
      );
      expect(registry.output()).not.toContain('Mapped');
      expect(new URL(registry.url).hostname).toBe('127.0.0.1');
      const [, dashboard] = /dashboard at (http:\S+)/.exec(registry.output()) ?? [];
      expect(await (await fetch(dashboard!)).text()).toContain('<title>Service discovery</title>');
      expect(await register(registry.url)).toBe(401);
      expect(await register(registry.url, 'Bearer wrong')).toBe(403);
      expect(await register(registry.url, 'Bearer secret')).toBe(201);
      expect(await registry.end(signal)).toEqual({ code: 0, signal: null });
    },
  );

  it('prints each event once, as a sentence', async () => {
    const registry = await startRegistry(['--token', 'secret']);
    expect(await register(registry.url, 'Bearer secret')).toBe(201);
    await registry.end('SIGTERM');
    const output = registry.output();
    const lines = output.split('\n').filter((line) => line.includes('[ServiceDiscovery]'));
    expect(lines.filter((line) => line.includes('billing') && line.includes(' registered at '))).toHaveLength(1);
    for (const line of lines) expect(line).toMatch(/ LOG \[ServiceDiscovery\] [A-Za-z]/);
    // The fields of a log line for programs.
    expect(output).not.toMatch(/[{}]/);
  });

  it('listens on the given host, with the token of SERVICE_DISCOVERY_TOKEN', async () => {
    const registry = await startRegistry(['--host', '0.0.0.0'], project, { SERVICE_DISCOVERY_TOKEN: 'secret' });
    expect(new URL(registry.url).hostname).toBe('0.0.0.0');
    expect(await register(registry.url, 'Bearer secret')).toBe(201);
  });

  it('keeps registrations in Redis', async () => {
    const redis = await RedisServer.start();
    try {
      const flags = ['--redis-url', redis.url, '--namespace', 'shop', '--token', 'secret'];
      const first = await startRegistry(flags);
      expect(first.output()).toContain(`Registry: ${redis.url} (redis_backed); namespace shop;`);
      expect(await register(first.url, 'Bearer secret')).toBe(201);
      expect(await first.end('SIGTERM')).toEqual({ code: 0, signal: null });
      const second = await startRegistry(flags);
      expect((await fetch(`${second.url}/service-discovery/services/billing`)).status).toBe(200);
    } finally {
      await redis.stop();
    }
  });

  it('prints its flags with --help', async () => {
    const { code, stdout } = await run(['registry', '--help']);
    expect(code).toBe(0);
    for (const flag of ['--port', '--host', '--token', '--redis-url', '--namespace']) expect(stdout).toContain(flag);
  });

  it('ends in silence where its reader has read enough', async () => {
    const child = await start(project, ['--help']);
    child.stdout!.destroy();
    const [stderr, [code]] = await Promise.all([text(child.stderr!), once(child, 'close')]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  it.each(['-V', '--version'])('prints its version with %s', async (flag) => {
    const { version } = JSON.parse(
      await readFile(join(project, 'node_modules/nest-service-discovery/package.json'), 'utf8'),
    ) as { version: string };
    expect(await run([flag])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('lists the commands where none is given, and suggests one for a typing error', async () => {
    expect(await run([])).toMatchObject({ code: 2, stderr: expect.stringContaining('registry [options]') });
    const { code, stderr } = await run(['regsitry']);
    expect(stderr).toContain("unknown command 'regsitry'\n(Did you mean registry?)");
    expect(code).toBe(2);
  });

  it.each([
    ['an unknown flag', ['registry', '--prot', '3000'], "unknown option '--prot'"],
    ['a flag without its value', ['registry', '--port'], "option '--port <number>' argument missing"],
    [
      'a port that is none',
      ['registry', '--port', '65536'],
      "option '--port <number>' argument '65536' is invalid. Expected a number from 0 to 65535",
    ],
    ['an empty host', ['registry', '--host', ''], '--host is empty'],
    ['an empty token', ['registry', '--token', ''], '--token: expected a token'],
    ['a URL that is none of a Redis', ['registry', '--redis-url', 'localhost:6379'], '--redis-url: expected a URL'],
    ['a second argument', ['registry', '3000'], "too many arguments for 'registry'. Expected 0 arguments but got 1"],
  ])('rejects %s with its usage and exit code 2', async (_what, args, message) => {
    const { code, stderr } = await run(args);
    expect(stderr).toContain(message);
    expect(stderr).toContain('\nUsage: nest-service-discovery registry [options]\n');
    expect(code).toBe(2);
  });

  it('cannot follow another registry', async () => {
    const { code, stderr } = await run(['registry'], project, {
      SERVICE_DISCOVERY_REGISTRY_URL: 'http://registry:3000',
    });
    expect(stderr).toMatch(/^SERVICE_DISCOVERY_REGISTRY_URL .* unset it to run one here\n$/);
    expect(code).toBe(1);
  });

  it('reports a port that is in use', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    const { code, stderr } = await run(['registry', '--port', String(port)]);
    other.close();
    expect(stderr).toContain(`The registry cannot listen on 127.0.0.1, port ${port}: listen EADDRINUSE`);
    expect(code).toBe(1);
  });

  it('runs on Fastify if Express is not installed', async () => {
    const registry = await startRegistry(
      ['--token', 'secret'],
      await makeProject('fastify', ['@nestjs/platform-fastify']),
    );
    expect(await register(registry.url)).toBe(401);
    expect(await register(registry.url, 'Bearer secret')).toBe(201);
    expect(await registry.end('SIGTERM')).toEqual({ code: 0, signal: null });
  });

  it.each([
    ['an HTTP platform', [], undefined, 'npm install @nestjs/platform-express (or @nestjs/platform-fastify)'],
    ['Nest', ['@nestjs/platform-express'], '@nestjs/core', 'npm install @nestjs/core'],
  ])('says how to install %s if it is missing', async (what, extra, without, line) => {
    const { code, stderr } = await run(['registry'], await makeProject(`without ${what}`, extra, without));
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toContain(line);
    expect(code).toBe(1);
  });
});
