import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { CommanderError } from 'commander';
import { ServiceDiscoveryModule, ServiceRegistry } from 'nest-service-discovery';
import { makeProgram } from '../../libs/service-discovery/src/cli/program.js';
import { Apps, urlOf } from '../support/nest-app.js';

const FIXTURES = join(import.meta.dirname, 'fixtures');
const DUMP = join(FIXTURES, 'db-export.yaml');

const apps = new Apps();
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kong-command-'));
});
afterEach(() => apps.close());
afterAll(() => rm(directory, { recursive: true }));

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line in this process, as on a terminal. */
async function run(...args: readonly string[]): Promise<Ran> {
  const texts = { stdout: '', stderr: '' };
  const streamOf = (name: keyof typeof texts): NodeJS.WriteStream => {
    const stream = new Writable({
      write(chunk, _encoding, done) {
        texts[name] += String(chunk);
        done();
      },
    });
    return Object.assign(stream, { isTTY: name === 'stdout' }) as unknown as NodeJS.WriteStream;
  };
  let code = 0;
  const world = {
    stdout: streamOf('stdout'),
    stderr: streamOf('stderr'),
    env: { NO_COLOR: '1' },
    ended: () => new AbortController().signal,
    onFinding: () => (code = 1),
  };
  await makeProgram(world).parseAsync(['kong', ...args], { from: 'user' });
  return { code, ...texts };
}

describe('the command kong', () => {
  it('prints the module, and the report apart from it', async () => {
    const { code, stdout, stderr } = await run('import', DUMP);
    expect(code).toBe(0);
    expect(stdout).toContain("name: 'users', targets: ['http://10.0.0.1:8001']");
    expect(stderr).toContain('services users: approximated');
  });

  it('writes JSON into a file that is not TypeScript, and prints the report', async () => {
    const file = join(directory, 'kong.json');
    const { stdout } = await run('import', DUMP, '--out', file);
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ services: [{ name: 'users' }] });
    expect(stdout).toContain(`${file}: 1 service\n`);
    expect(stdout).toContain('services users: approximated');
  });

  it('prints options, registrations and report as one JSON', async () => {
    const { stdout } = await run('import', DUMP, '--json');
    expect(Object.keys(JSON.parse(stdout) as object)).toEqual(['options', 'registrations', 'report']);
  });

  it('prints the report alone as JSON where a file takes the options', async () => {
    const { stdout } = await run('import', DUMP, '--json', '--out', join(directory, 'kong.ts'));
    expect(Object.keys(JSON.parse(stdout) as object)).toEqual(['report']);
  });

  it('names the registry that it writes to, unless the user has named it', async () => {
    // There is nothing to register, so the registry on that port, if there is one, hears nothing of it.
    const file = join(directory, 'empty.yaml');
    await writeFile(file, '{ _format_version: "3.0", upstreams: [{ name: unused }] }');
    const { code, stderr } = await run('import', file, '--apply');
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr:
        'http://127.0.0.1:3000 is asked, since neither --url nor SERVICE_DISCOVERY_REGISTRY_URL names another registry.\n',
    });
  });

  it('registers the targets, and finds what differs afterwards', async () => {
    const options = { healthCheck: false as const, logging: false as const };
    const app = await apps.listen(ServiceDiscoveryModule.forRoot(options));
    const registry = app.get(ServiceRegistry);
    const url = ['--url', urlOf(app)];
    expect(await run('check', DUMP, ...url)).toMatchObject({ code: 1, stdout: '- users\n' });

    expect(await run('import', DUMP, '--dry-run', ...url)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^SERVICE .*\nusers {4}http:\/\/10\.0\.0\.1:8001 {2}100\n/),
    });
    expect(registry.getInstances('users')).toEqual([]);
    expect(await run('import', DUMP, '--apply', ...url)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`Registered 1 of 1 target with ${urlOf(app)}/service-discovery.\n`) as unknown,
      stderr: '',
    });
    expect(registry.getInstances('users')).toHaveLength(1);
    expect(await run('check', DUMP, ...url)).toMatchObject({
      code: 0,
      stdout: `${urlOf(app)}/service-discovery has all targets of Kong as they are there: 1.\n`,
    });

    await registry.register({
      serviceName: 'users',
      host: '10.0.0.1',
      port: 8_001,
      healthCheckPath: null,
      weight: 5,
    });
    await registry.register({ serviceName: 'orders', host: '10.0.0.2', port: 80 });
    expect(await run('diff', DUMP, ...url)).toMatchObject({
      code: 0,
      stdout: '~ users http://10.0.0.1:8001: weight 100 in Kong, 5 in the registry\n+ orders\n',
    });
  });

  it.each([
    ['no file', ['import'], /missing required argument/],
    ['an unknown command', ['export', DUMP], /unknown command 'export'/],
    ['flags that exclude each other', ['import', DUMP, '--apply', '--dry-run'], /cannot be used with/],
    ['an unknown flag', ['import', DUMP, '--force'], /unknown option '--force'/],
  ])('refuses %s as wrong usage', async (_, args, message) => {
    const failure = run(...args);
    await expect(failure).rejects.toBeInstanceOf(CommanderError);
    await expect(failure).rejects.toThrow(message);
  });

  it('says where a file is wrong, or that there is none', async () => {
    await expect(run('import', join(FIXTURES, 'broken-version.yaml'))).rejects.toThrow('broken-version.yaml:1:18');
    await expect(run('import', 'nowhere.yaml')).rejects.toThrow('There is no file or folder nowhere.yaml');
  });
});
