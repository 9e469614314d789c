import { execFile } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { Writable } from 'node:stream';
import { promisify } from 'node:util';
import { type INestApplication } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type Command, CommanderError } from 'commander';
import { EventBus, ServiceCommunicator, ServiceDiscoveryModule, ServiceRegistry } from 'nest-service-discovery';
import { ServiceDiscoveryError, type ServiceRegistration } from 'nest-service-discovery/core';
import { CommandError } from '../libs/service-discovery/src/cli/command-error.js';
import { makeProgram } from '../libs/service-discovery/src/cli/program.js';
import { Apps, inRegistry } from './support/nest-app.js';

const apps = new Apps();
let app: INestApplication;
let url: string;
let registry: ServiceRegistry;
/** An instance that answers every call with its status. */
let server: Server;
let port: number;
let status = 200;

beforeAll(async () => {
  app = await apps.listen({
    module: class Registry {},
    imports: [ServiceDiscoveryModule.forRoot({ healthCheck: { enabled: false }, logging: false })],
  });
  url = await app.getUrl();
  registry = app.get(ServiceRegistry);
  server = createServer((_request, response) => response.writeHead(status).end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ({ port } = server.address() as AddressInfo);
});

afterEach(async () => {
  status = 200;
  const calls = app.get(ServiceCommunicator);
  for (const { service, instanceId } of calls.circuitBreakers()) calls.forceCircuit(service, instanceId, 'automatic');
  for (const { serviceName, instances } of registry.listServices()) {
    for (const { instanceId } of instances) await registry.deregister({ serviceName, instanceId });
  }
});

afterAll(async () => {
  await apps.close();
  server.close();
});

interface Ran {
  readonly code: number;
  readonly out: string;
}

/**
 * Runs the command line in this process.
 * @param until the output that ends a command which runs on
 */
async function run(args: readonly string[], { isTTY = true, until = '' } = {}): Promise<Ran> {
  const end = new AbortController();
  let out = '';
  const stream = new Writable({
    write(chunk, _encoding, done) {
      out += String(chunk);
      if (until !== '' && out.includes(until)) end.abort();
      done();
    },
  });
  const stdout = Object.assign(stream, { isTTY }) as unknown as NodeJS.WriteStream;
  const env = { NO_COLOR: '1' };
  try {
    let code = 0;
    const world = { stdout, stderr: stdout, env, ended: () => end.signal, onFinding: () => (code = 1) };
    await makeProgram(world).parseAsync(['--url', url, ...args], { from: 'user' });
    return { code, out };
  } catch (error) {
    if (error instanceof CommandError) return { code: error.exitCode, out: out + error.message };
    if (error instanceof ServiceDiscoveryError) return { code: 1, out: out + error.message };
    if (error instanceof CommanderError) return { code: error.exitCode === 0 ? 0 : 2, out: out + error.message };
    throw error;
  }
}

/** Every command as it is typed, such as `kong import`; the program itself is an empty text. */
function commandPaths(): string[] {
  const { stdout, stderr } = process;
  const program = makeProgram({
    stdout,
    stderr,
    env: {},
    ended: () => AbortSignal.abort(),
    onFinding: () => undefined,
  });
  const pathsOf = (command: Command, path: string): string[] => [
    path,
    ...command
      .createHelp()
      .visibleCommands(command)
      .filter((child) => child.name() !== 'help')
      .flatMap((child) => pathsOf(child, `${path} ${child.name()}`.trim())),
  ];
  return pathsOf(program, '');
}

const register = (serviceName: string, instanceId: string, more: Partial<ServiceRegistration> = {}): Promise<unknown> =>
  registry.register({ serviceName, instanceId, host: '127.0.0.1', port, ...more }, { heartbeat: 'manual' });

const unhealthy = (serviceName: string, instanceId: string, reason: string): Promise<boolean> =>
  registry.setStatus({ serviceName, instanceId }, 'unhealthy', { checkedAt: Date.now(), reason });

/** Ends with five failures in a row, so with an open circuit. */
async function failFiveTimes(serviceName: string): Promise<void> {
  const calls = app.get(ServiceCommunicator);
  for (let call = 0; call < 5; call++) {
    await calls.callService(serviceName, { path: '/', method: 'POST' }).catch(() => undefined);
  }
}

describe('nest-service-discovery', () => {
  it('shows services and instances as tables on a terminal', async () => {
    await register('users', 'users-1', { version: '1.2.0', tags: ['api'] });
    await register('users', 'users-2', { version: '1.3.0' });
    const services = await run(['services']);
    expect(services.out).toMatch(/^SERVICE +STATUS +HEALTHY +VERSIONS +TAGS +ADDRESS\n/);
    expect(services.out).toMatch(/^users +unknown +0\/2 +1\.2\.0, 1\.3\.0 +api +http:/m);
    const { out } = await run(['instances', 'users']);
    expect(
      out
        .split('\n')
        .slice(1, 3)
        .map((line) => line.split(/ +/)[1]),
    ).toEqual(['users-1', 'users-2']);
    expect((await run(['services', '--tag', 'web'])).out).toContain('No service matches.');
  });

  it('prints JSON where the output is no terminal, and with --json', async () => {
    await register('users', 'users-1');
    for (const [args, world] of [
      [['services'], { isTTY: false }],
      [['services', '--json'], { isTTY: true }],
    ] as const) {
      const { services } = JSON.parse((await run(args, world)).out) as { services: { service_name: string }[] };
      expect(services.map(({ service_name: name }) => name)).toEqual(['users']);
    }
    expect((await run(['services', '--no-json'], { isTTY: false })).out).toMatch(/^SERVICE /);
  });

  it('keeps escape sequences in names of versions and reasons off the terminal', async () => {
    await register('users', 'users-1', { metadata: {} });
    await unhealthy('users', 'users-1', '\u001b[2Jgone');
    const { out } = await run(['instances', 'users']);
    expect(out).toContain('gone');
    expect(out).not.toContain('\u001b');
  });

  it('takes an instance out of traffic and back, with a reason', async () => {
    await register('users', 'users-1');
    const { out } = await run(['maintenance', 'users', 'users-1', '--reason', 'new disk']);
    expect(out).toContain('users/users-1 is in maintenance\nUndo: npx nest-service-discovery up users users-1');
    expect((await run(['instances'])).out).toContain('new disk');
    await run(['up', 'users', 'users-1']);
    expect(registry.getInstance({ serviceName: 'users', instanceId: 'users-1' })?.operatorStatus).toBe('up');
  });

  it('finds something wrong with exit code 1', async () => {
    expect((await run(['status'])).code).toBe(0);
    await register('users', 'users-1');
    await unhealthy('users', 'users-1', 'status 404 at /health');
    const { code, out } = await run(['status']);
    expect(code).toBe(1);
    expect(out).toContain('1 unhealthy');
    expect((await run(['services', '--failing'])).out).toContain('users');
  });

  it('sets a circuit and shows it', async () => {
    await register('users', 'users-1');
    await failFiveTimes('users');
    expect(await run(['circuits', 'users', 'users-1', '--set', 'isolated'])).toMatchObject({ code: 0 });
    const { code, out } = await run(['circuits', 'users']);
    expect({ code, isolated: /users-1 +isolated/.test(out) }).toEqual({ code: 1, isolated: true });
    await run(['circuits', 'users', 'users-1', '--set', 'automatic']);
  });

  it('moves the share of calls through a gateway, and shows both ways', async () => {
    await register('legacy', 'legacy-1');
    expect((await run(['share', 'legacy'])).out).toBe('All calls to legacy go directly\n');
    await registry.changeSplit('legacy', () => ({ via: { url: 'http://kong:8000/users', share: 100 } }));
    const { out } = await run(['share', 'legacy', '20%', '--reason', 'step 1']);
    expect(out).toBe(
      '20 % of the calls to legacy go through http://kong:8000/users, the others directly\n' +
        'Undo: npx nest-service-discovery share legacy 100\n',
    );
    expect((await run(['share', 'legacy'])).out).toContain('No attempts are known since that was set');
    app.get(EventBus).emit('call.split', { service: 'legacy', part: 'via', ok: false, durationMs: 4 });
    expect((await run(['share', 'legacy'])).out).toMatch(
      /^WAY +ATTEMPTS +SHARE +ERRORS +P99\nvia +1 +100.0 % +100.0 % +/m,
    );
    const { out: json } = await run(['share', 'legacy', '--json']);
    expect(JSON.parse(json)).toMatchObject({ via: { share: 20 }, parts: [{ part: 'via', attempts: 1, errors: 1 }] });
    await register('direct', 'direct-1');
    expect(await run(['share', 'direct', '20'])).toMatchObject({
      code: 1,
      out: expect.stringContaining(`Give the option services: [{ name: 'direct', via: 'http://…' }]`) as unknown,
    });
    for (const wrong of ['101', '-1', '', 'half']) {
      expect(await run(['share', 'legacy', '--', wrong])).toMatchObject({
        code: 2,
        out: expect.stringMatching(/0 to 100/) as unknown,
      });
    }
  });

  it('starts a rollout, shows that it was rolled back by itself, and forgets it', async () => {
    await register('fresh', 'fresh-1', { version: '1.0.0' });
    await register('fresh', 'fresh-2', { version: '2.0.0' });
    const { out } = await run(['rollout', 'start', 'fresh', '2.x', '--steps', '5,100', '--max-error-rate', '1%']);
    expect(out).toMatch(/^The rollout of fresh to 2\.x is running: 5 % of the calls .*steps of 5, 100 %, each 5 min/);
    expect(out).toMatch(/Undo: npx nest-service-discovery rollout abort fresh\n$/);
    const moved = new Promise((resolve) => {
      app.get(EventBus).on('rollout.moved', ({ state }) => state === 'rolled_back' && resolve(state));
    });
    app.get(EventBus).emit('call.split', { service: 'fresh', part: 'canary', ok: false, durationMs: 4 });
    await moved;
    const status = await run(['rollout', 'status', 'fresh']);
    expect(status).toMatchObject({
      code: 1,
      out: expect.stringMatching(/was rolled back: 0 % .*1 of 1 attempt failed, more than 1 %/) as unknown,
    });
    expect((await run(['rollout', 'abort', 'fresh'])).out).toBe(
      'The rollout of fresh is forgotten: all of its versions take calls alike\n',
    );
    expect(await run(['rollout', 'status', 'fresh'])).toEqual({
      code: 0,
      out: 'There is no rollout of fresh: all of its versions take calls alike\n',
    });
    const twice = await run(['rollout', 'abort', 'fresh']);
    expect(twice).toMatchObject({ code: 1, out: expect.stringContaining('"fresh" has no rollout to end') as unknown });
    const absent = await run(['rollout', 'start', 'fresh', '3.x', '--json']);
    expect(absent).toMatchObject({ code: 0, out: expect.stringContaining('(registered: 1.0.0, 2.0.0)') as unknown });
    const another = await run(['rollout', 'start', 'fresh', '2.x']);
    expect(another).toMatchObject({ code: 1, out: expect.stringContaining('to 3.x is still running') as unknown });
    await registry.changeSplit('elsewhere', () => ({ via: { url: 'http://kong:8000/users', share: 100 } }));
    const none = await run(['rollout', 'start', 'elsewhere', '3.x']);
    expect(none).toMatchObject({ code: 0, out: expect.stringContaining('(registered: none)') as unknown });
    for (const wrong of [
      ['--steps', '5,x'],
      ['--min-attempts', '0'],
      ['--max-error-rate', '101'],
      ['--steps', '100,5'],
    ]) {
      expect((await run(['rollout', 'start', 'fresh', '2.x', ...wrong])).code).toBe(2);
    }
  });

  it('names what the registry refuses by the flags and arguments that were typed', async () => {
    await register('fresh', 'fresh-1');
    const flags = ['--step-duration', '1 week', '--max-p99', '0', '--steps', '5,50'];
    const { code, out } = await run(['rollout', 'start', 'fresh', 'newest', ...flags]);
    expect(code).toBe(2);
    expect(out.split('\n').map((line) => line.split(':')[0])).toEqual([
      '<version>',
      '--steps',
      '--step-duration',
      '--max-p99',
    ]);
  });

  it('prints events until it is ended', async () => {
    const watching = run(['watch', '--json'], { until: '"instance_id":"users-1"' });
    // Again and again, since the stream may open after the first one.
    const again = setInterval(() => void register('users', 'users-1'), 20);
    const { out } = await watching;
    clearInterval(again);
    for (const line of out.trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('type');
  });

  it.each([
    ['commands', 'nsd d', ['doctor', 'drain']],
    ['commands of a command', 'nsd kong ', ['import', 'check', 'diff', 'help']],
    ['options', 'nsd explain users --v', ['--version']],
    ['choices of an option', 'nsd doctor --problem h', ['health']],
    ['choices of an argument', 'nsd completion ', ['bash', 'zsh', 'fish']],
    ['names of services', 'nsd --json explain u', ['users']],
    ['ids of instances', 'nsd maintenance users ', ['users-1', 'users:2']],
    ['nothing where the registry does not answer', 'nsd --url http://127.0.0.1:1 explain u', []],
    ['nothing where files are due', 'nsd kong import ', []],
  ])('completes %s', async (_what, line, words) => {
    await register('users', 'users-1');
    await register('users', 'users:2');
    const { code, out } = await run(['__complete', line]);
    expect(code === 0 ? out.split('\n').filter(Boolean) : []).toEqual(words);
  });

  it('completes in a bash, also behind a colon', async () => {
    const { out: script } = await run(['completion', 'bash']);
    const { stdout } = await promisify(execFile)('bash', [
      '-c',
      `${script}
       nest-service-discovery() { [ "$2" = 'nest-service-discovery up users users:' ] && printf 'users:1\\nusers:2\\n'; }
       COMP_LINE='nest-service-discovery up users users:' COMP_POINT=38
       _nest_service_discovery nest-service-discovery
       printf '%s\\n' "\${COMPREPLY[@]}"
       complete -p nest-service-discovery`,
    ]);
    expect(stdout.trim().split('\n')).toEqual([
      '1',
      '2',
      'complete -o default -F _nest_service_discovery nest-service-discovery',
    ]);
  });

  it.each(commandPaths())('explains "%s" with what it takes, line by line', async (path) => {
    const { code, out } = await run([...path.split(' ').filter(Boolean), '--help']);
    expect(code).toBe(0);
    expect(out).toMatch(/^Usage: nest-service-discovery/);
    for (const line of out.split('\n').filter((text) => /^ {2}(-|[a-z])/.test(text) && !text.startsWith('  npx')))
      // A term without a text beside it.
      expect(line).toMatch(/^ {2}\S.* {2,}\S/);
    if (path !== 'completion') expect(out).toContain('Examples:\n  npx nest-service-discovery ');
    expect(out).not.toContain('\u001b');
  });

  it.each(commandPaths())('refuses an option of "%s" that does not exist', async (path) => {
    const { code, out } = await run([...path.split(' ').filter(Boolean), '--bogus']);
    expect({ code, out }).toEqual({ code: 2, out: "error: unknown option '--bogus'" });
  });

  it.each([
    [['drain', 'users'], "missing required argument 'instance'"],
    [['doctor', 'users', '--problem', 'luck'], 'Allowed choices are discovery, health, circuit, balancing'],
    [['registry', '--port', '65536'], 'Expected a number from 0 to 65535'],
    [['completion', 'tcsh'], 'Allowed choices are bash, zsh, fish'],
    [['explain', 'users', '--version', 'newest'], 'version: expected a semver range'],
    [['status', '--url', 'ftp://registry'], '--url: expected a URL'],
  ])('refuses %j', async (args, message) => {
    const { code, out } = await run(args);
    expect(code).toBe(2);
    expect(out).toContain(message);
  });
});

describe('nest-service-discovery doctor', () => {
  interface Diagnosis {
    readonly cause: { readonly problem: string; readonly found: string; readonly command: string | null } | null;
  }

  async function diagnose(...args: string[]): Promise<Diagnosis & { code: number }> {
    const { code, out } = await run(['doctor', 'users', '--json', ...args]);
    return { code, ...(JSON.parse(out) as Diagnosis) };
  }

  /** Two healthy instances. */
  async function registerTwo(): Promise<void> {
    for (const instanceId of ['users-1', 'users-2']) {
      await register('users', instanceId);
      await registry.setStatus({ serviceName: 'users', instanceId }, 'healthy', { checkedAt: Date.now() });
    }
  }

  it('finds nothing wrong where nothing is', async () => {
    await registerTwo();
    expect(await diagnose()).toMatchObject({ code: 0, cause: null });
    const { out } = await run(['doctor', 'users']);
    expect(out).toContain('Nothing is wrong with users');
    expect(out).not.toContain('!!');
  });

  const plant: readonly (readonly [string, string, string, readonly string[], () => Promise<unknown>])[] = [
    ['a name that is nearly the same', 'discovery', 'user', [], () => register('user', 'user-1')],
    ['an empty registry', 'discovery', 'no service at all', [], () => Promise.resolve()],
    [
      'no version that matches',
      'discovery',
      'users-1',
      ['--version', '^2'],
      () => register('users', 'users-1', { version: '1.0.0' }),
    ],
    [
      'maintenance',
      'discovery',
      'users-1',
      [],
      async () => {
        await register('users', 'users-1');
        await registry.setStatus({ serviceName: 'users', instanceId: 'users-1' }, 'maintenance');
      },
    ],
    [
      'an isolated circuit',
      'circuit',
      'isolated',
      [],
      async () => {
        await registerTwo();
        app.get(ServiceCommunicator).forceCircuit('users', 'users-1', 'isolated');
      },
    ],
    [
      'a route that fails while checks pass',
      'circuit',
      'open after 5 failures',
      [],
      async () => {
        await register('users', 'users-1');
        status = 500;
        await failFiveTimes('users');
        await registry.setStatus({ serviceName: 'users', instanceId: 'users-1' }, 'healthy', { checkedAt: Date.now() });
      },
    ],
    [
      'a healthy instance that has just ended',
      'health',
      'ECONNREFUSED',
      [],
      async () => {
        await register('users', 'users-1', { port: 1 });
        await registry.setStatus({ serviceName: 'users', instanceId: 'users-1' }, 'healthy', { checkedAt: Date.now() });
      },
    ],
    [
      'an instance that cannot be reached',
      'circuit',
      'open after 5 failures',
      ['--problem', 'circuit'],
      async () => {
        await register('users', 'users-1', { port: 1 });
        await failFiveTimes('users');
      },
    ],
    [
      'one instance alone',
      'balancing',
      'one instance takes all calls',
      ['--problem', 'balancing'],
      () => register('users', 'users-1'),
    ],
    [
      'different weights',
      'balancing',
      'users-2: 10',
      ['--problem', 'balancing'],
      async () => {
        await registerTwo();
        await register('users', 'users-2', { weight: 10 });
        await registry.setStatus({ serviceName: 'users', instanceId: 'users-2' }, 'healthy', { checkedAt: Date.now() });
      },
    ],
    [
      'an instance that was never checked',
      'balancing',
      'users-3',
      ['--problem', 'balancing'],
      async () => {
        await registerTwo();
        await register('users', 'users-3');
      },
    ],
  ];

  it.each(plant)('finds %s', async (_what, problem, found, args, setUp) => {
    await setUp();
    const { code, cause } = await diagnose(...args);
    expect({ code, problem: cause?.problem }).toEqual({ code: 1, problem });
    expect(cause?.found).toContain(found);
  });

  describe('where checks are made', () => {
    let checking: INestApplication;
    let checked: Server;

    beforeAll(async () => {
      const healthCheck = { interval: '1s', timeout: '300ms', fall: 1, rise: 1 } as const;
      checking = await apps.listen({
        module: class Checking {},
        imports: [ServiceDiscoveryModule.forRoot({ healthCheck, logging: false })],
      });
      const statuses: Record<string, number> = { '/health': 200, '/guarded': 401 };
      checked = createServer(({ url: path = '' }, response) => {
        if (path !== '/never') response.writeHead(statuses[path] ?? 404).end();
      });
      await new Promise<void>((resolve) => checked.listen(0, '127.0.0.1', resolve));
    });
    afterAll(() => {
      checked.closeAllConnections();
      checked.close();
    });

    it.each([
      ['a route that is not there', { healthCheckPath: '/status' }, 'status 404 at /status'],
      ['a guard before the route', { healthCheckPath: '/guarded' }, 'status 401 at /guarded'],
      ['no process at the port', { port: 1 }, 'connection refused'],
      ['an answer slower than the timeout', { healthCheckPath: '/never' }, 'timed out after 300 ms'],
    ])('finds %s', async (_what, wrong, found) => {
      const healthy = {
        host: '127.0.0.1',
        port: (checked.address() as AddressInfo).port,
        serviceName: 'users',
        healthCheckPath: '/health',
      };
      const own = checking.get(ServiceRegistry);
      await own.register({ ...healthy, instanceId: 'users-1' });
      await own.register({ ...healthy, instanceId: 'users-2', ...wrong });
      // A check of a busy machine may time out first; the next one mends that.
      await inRegistry(checking, ({ services }) => {
        const [first, second] = services.get('users') ?? [];
        const isTold = first?.health?.statusCode === 200 && second?.health?.reason === found;
        return isTold || undefined;
      });
      const { code, cause } = await diagnose('--url', await checking.getUrl());
      expect({ code, problem: cause?.problem }).toEqual({ code: 1, problem: 'health' });
      expect(cause?.found).toBe(`users-2: ${found}`);
      for (const instanceId of ['users-1', 'users-2']) await own.deregister({ serviceName: 'users', instanceId });
    });
  });

  it('reads in the journal who took an instance out and why, and what failed', async () => {
    await register('users', 'users-1');
    await run(['maintenance', 'users', 'users-1', '--reason', 'a new disk']);
    const { out } = await run(['doctor', 'users']);
    expect(out).toMatch(/Z: .*set users\/users-1 to maintenance: a new disk/);
    await run(['up', 'users', 'users-1']);
    status = 503;
    await failFiveTimes('users');
    expect((await run(['doctor', 'users'])).out).toMatch(/POST \/ of users failed.*503/);
  });

  it('reads in the journal how a service left', async () => {
    await register('users', 'users-1');
    await register('mail', 'mail-1');
    await registry.deregister({ serviceName: 'users', instanceId: 'users-1' });
    expect((await diagnose()).cause?.found).toMatch(/users\/users-1/);
    const key = { serviceName: 'users', instanceId: 'users-1' };
    app.get(EventBus).emit('instance.expired', { key });
    const { cause } = await diagnose();
    expect(cause?.found).toMatch(/users\/users-1.*expired/);
  });

  it('names the command that mends it', async () => {
    await register('users', 'users-1');
    await registry.setStatus({ serviceName: 'users', instanceId: 'users-1' }, 'maintenance');
    expect((await diagnose()).cause?.command).toBe('npx nest-service-discovery up users users-1');
    const { out } = await run(['doctor', 'users']);
    expect(out).toMatch(/Cause: .*users-1.*\n.*\nCure: .*\n {2}npx nest-service-discovery up users users-1\n/);
  });
});
