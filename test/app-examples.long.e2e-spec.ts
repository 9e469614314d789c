import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ProcessGroup, type ServiceProcess } from '../apps/support/processes.js';
import { addSources, type BuiltPackage, buildPackage, BUILD_TIMEOUT_MS } from './support/built-package.js';
import { readPages } from './support/pages.js';
import { pollUntil } from './support/poll.js';
import { RedisServer } from './support/redis-server.js';

const examples = join(import.meta.dirname, '../apps/examples');

let built: BuiltPackage;
let redis: RedisServer;
let group: ProcessGroup;
let registry: ServiceProcess;
let python: ChildProcess;
/** Stands for Kong, whose route to user-service it has. */
const kong = createServer((request, response) => response.end(JSON.stringify({ through: 'kong', path: request.url })));
/** An instance of user-service. */
const users = createServer((request, response) => response.end(JSON.stringify({ directly: request.url })));
const apps: Partial<Record<'fastify' | 'grpc' | 'kong' | 'redis', ServiceProcess>> = {};

beforeAll(async () => {
  [built, redis] = await Promise.all([buildPackage({ name: 'examples', type: 'module' }), RedisServer.start()]);
  await addSources(built, 'apps');
  await Promise.all([kong, users].map((server) => once(server.listen(0, '127.0.0.1'), 'listening')));
  group = new ProcessGroup({ directory: pathToFileURL(`${built.consumer}/`), startTimeoutMs: 120_000 });
  registry = await group.start({ name: 'registry', script: 'registry/main.js', env: { PORT: '0' } });
  const env = { SERVICE_DISCOVERY_REGISTRY_URL: registry.url, SERVICE_DISCOVERY_TOKEN: group.token };
  python = spawn('python3', [join(examples, 'python-service/service.py')], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const start = (folder: string, more: Record<string, string> = env): Promise<ServiceProcess> =>
    group.start({ name: folder, script: `examples/${folder}/main.js`, env: more });
  const overRedis = { REDIS_URL: redis.url };
  [apps.fastify, apps.grpc, apps.kong, apps.redis] = await Promise.all([
    start('fastify'),
    start('grpc-health'),
    start('kong-beside', { ...env, KONG_URL: `${urlOf(kong)}/prefix` }),
    start('redis', overRedis),
    start('redis', overRedis),
  ]);
}, BUILD_TIMEOUT_MS);

afterAll(async () => {
  python.kill();
  await Promise.all([group.stop(), python.exitCode ?? once(python, 'exit')]);
  for (const server of [kong, users]) server.close();
  await redis.stop();
  await built.remove();
});

const urlOf = (server: typeof kong): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

async function ask(url: string, method = 'GET', body?: object): Promise<unknown> {
  const headers = { authorization: `Bearer ${group.token}`, 'content-type': 'application/json' };
  const answer = await fetch(url, { method, headers, ...(body && { body: JSON.stringify(body) }) });
  return answer.json();
}

/** Asks until the answer is as wanted: services register in their own time. */
async function eventually(url: string, wanted: (answer: object) => boolean): Promise<object> {
  let answer: object = {};
  await pollUntil(`the answer of ${url}`, async () => wanted((answer = (await ask(url)) as object)));
  return answer;
}

describe('an example in apps/examples', () => {
  it('fastify: calls the service in Python by its name', async () => {
    const { url } = apps.fastify!;
    const isThere = (answer: object): boolean => 'hello' in answer;
    expect(await eventually(`${url}/greetings/Ada`, isThere)).toEqual({ hello: 'Ada', servedBy: python.pid });
  });

  it('python-service: is called by call.py, and leaves when it is stopped', async () => {
    const call = spawn('python3', [join(examples, 'python-service/call.py'), 'greeter', '/Grace'], {
      env: { ...process.env, SERVICE_DISCOVERY_REGISTRY_URL: registry.url, SERVICE_DISCOVERY_TOKEN: group.token },
    });
    const [line] = (await once(call.stdout, 'data')) as [Buffer];
    expect(JSON.parse(line.toString())).toEqual({ hello: 'Grace', servedBy: python.pid });
    python.kill();
    expect(await once(python, 'exit')).toEqual([0, null]);
    expect(await ask(`${registry.url}/service-discovery/services/greeter`)).toMatchObject({ status_code: 404 });
  });

  it('grpc-health: is healthy by its own health service', async () => {
    const service = `${registry.url}/service-discovery/services/mail-service`;
    const isHealthy = (answer: { status?: string }): boolean => answer.status === 'healthy';
    expect(await eventually(service, isHealthy)).toMatchObject({ instances: [{ protocol: 'grpc' }] });
  });

  it('kong-beside: calls through Kong, and directly once the share says so', async () => {
    const { url } = apps.kong!;
    const api = `${registry.url}/service-discovery`;
    expect(await ask(`${url}/users/1`)).toEqual({ through: 'kong', path: '/prefix/users/1' });
    const { port } = users.address() as AddressInfo;
    const registration = { service_name: 'user-service', host: '127.0.0.1', port, health_check_path: null };
    await ask(`${api}/register`, 'POST', registration);
    await ask(`${api}/services/user-service/share`, 'PUT', { share: 0 });
    const isDirect = (answer: object): boolean => 'directly' in answer;
    expect(await eventually(`${url}/users/1`, isDirect)).toEqual({ directly: '/users/1' });
  });

  it('redis: calls another of its processes', async () => {
    const { url, pid } = apps.redis!;
    const isOther = ({ servedBy }: { servedBy?: number }): boolean => servedBy !== undefined && servedBy !== pid;
    expect(await eventually(`${url}/stock/ask/anvil`, isOther)).toMatchObject({ sku: 'anvil' });
  });

  it('quick-start: is that of the README, and python-service that of its page', async () => {
    const pages = await readPages();
    const page = (name: string): string => pages.get(name)!;
    for (const file of ['user-service.ts', 'gateway.ts']) {
      expect(page('README.md')).toContain(
        `\`\`\`ts\n// ${file}\n${await readFile(join(examples, 'quick-start', file), 'utf8')}\`\`\``,
      );
    }
    for (const file of ['service.py', 'call.py']) {
      expect(page('docs/other-languages.md')).toContain(
        `\`\`\`py\n# ${file}\n${await readFile(join(examples, 'python-service', file), 'utf8')}\`\`\``,
      );
    }
  });
});
