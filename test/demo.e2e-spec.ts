import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { transformFile } from '@swc/core';
import { Claims } from '../apps/demo/support/claims.js';
import { get, Load } from '../apps/demo/support/load.js';
import { paceOf } from '../apps/demo/support/pace.js';
import { Printer } from '../apps/demo/support/print.js';
import { waitFor } from '../apps/demo/support/wait.js';
import { BUILD_TIMEOUT_MS } from './support/built-package.js';
import { interruptDemo } from './support/interrupt-demo.js';
import { isAlive } from './support/is-alive.js';

const support = join(import.meta.dirname, '../apps/support');

/** A service that listens, and optionally ignores SIGTERM. */
const CHILD = `
import { createServer } from 'node:http';
if (process.argv.includes('broken') || process.env.MOOD === 'broken') {
  console.error('no such database');
  process.exit(3);
}
if (process.env.MOOD === 'stubborn') process.on('SIGTERM', () => {});
const server = createServer().listen(0, '127.0.0.1', () => console.log('child listens on http://127.0.0.1:' + server.address().port));
`;

/** Starts children and reports their pids, then follows commands. */
const PARENT = `
import { ProcessGroup } from './support/processes.js';
const group = new ProcessGroup({ stopTimeoutMs: 200 });
try {
  const children = await Promise.all(process.argv.slice(3).map((mood, n) =>
    group.start({ name: 'child-' + n, script: 'child.mjs', env: { MOOD: mood } })));
  console.log(JSON.stringify(children.map(({ pid, url }) => ({ pid, url }))));
  if (process.argv[2] === 'stop') await group.stop();
} catch (error) {
  console.log(JSON.stringify({ error: error.message }));
  await group.stop();
}
`;

describe('the processes of the demo and the shop', () => {
  let directory: string;
  const parents: ChildProcess[] = [];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'processes-'));
    await mkdir(join(directory, 'support'));
    for (const file of await readdir(support)) {
      const { code } = await transformFile(join(support, file), { configFile: join(support, '../../.swcrc') });
      await writeFile(join(directory, 'support', basename(file, '.ts') + '.js'), code);
    }
    await writeFile(join(directory, 'package.json'), '{ "type": "module" }');
    await writeFile(join(directory, 'child.mjs'), CHILD);
    await writeFile(join(directory, 'parent.mjs'), PARENT);
  });

  afterAll(async () => {
    for (const parent of parents) parent.kill('SIGKILL');
    await rm(directory, { recursive: true, force: true });
  });

  async function startParent(...args: string[]): Promise<{ parent: ChildProcess; said: unknown }> {
    const parent = spawn(process.execPath, [join(directory, 'parent.mjs'), ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    parents.push(parent);
    const [line] = (await once(createInterface({ input: parent.stdout }), 'line')) as [string];
    return { parent, said: JSON.parse(line) };
  }

  const allGone = (children: { pid: number }[]): Promise<true> =>
    waitFor('the children to end', () => (children.some(({ pid }) => isAlive(pid)) ? undefined : true), 10_000);

  it('exit when their parent is killed, even those that ignore SIGTERM', async () => {
    const { parent, said } = await startParent('stay', 'meek', 'stubborn');
    const children = said as { pid: number }[];
    expect(children.every(({ pid }) => isAlive(pid))).toBe(true);
    parent.kill('SIGKILL');
    await expect(allGone(children)).resolves.toBe(true);
  });

  it('are all gone once the group has stopped, even those that ignore SIGTERM', async () => {
    const { parent, said } = await startParent('stop', 'meek', 'stubborn');
    await once(parent, 'exit');
    expect((said as { pid: number }[]).filter(({ pid }) => isAlive(pid))).toEqual([]);
  });

  it('use free ports', async () => {
    const { parent, said } = await startParent('stop', 'meek', 'meek');
    const urls = (said as { url: string }[]).map(({ url }) => url);
    expect(new Set(urls).size).toBe(2);
    await once(parent, 'exit');
  });

  it('report why they could not start', async () => {
    const { parent, said } = await startParent('stop', 'broken');
    expect(said).toEqual({
      error: expect.stringMatching(/child-0 ended before it listened \(exit code 3\)\n {2}no such database/),
    });
    await once(parent, 'exit');
  });
});

describe('the demo, interrupted while its processes start', () => {
  it(
    'ends with 130, in plain text where it is piped, and leaves no process behind',
    async () => {
      const { ended, output, left } = await interruptDemo('ten service processes start');
      expect(ended).toEqual([130, null]);
      expect(output).toContain('SIGINT: ending every process');
      expect(output).not.toContain('\u001b');
      expect(left).toEqual([]);
    },
    BUILD_TIMEOUT_MS,
  );
});

describe('the claims of the demo', () => {
  const silent = (): Printer => new Printer(false, () => undefined);

  it('exit with 0 if all hold', () => {
    const claims = new Claims(silent());
    claims.check('water is wet', true);
    expect(claims.exitCode).toBe(0);
  });

  it('exit with 1 if one does not hold, and name it', () => {
    const lines: string[] = [];
    const claims = new Claims(new Printer(false, (line) => lines.push(line)));
    claims.check('water is wet', true);
    claims.check('pigs fly', false, '0 of 12');
    claims.summary(1.5);
    expect(claims.exitCode).toBe(1);
    expect(lines).toEqual([
      '  ✓ water is wet',
      '  ✗ pigs fly (0 of 12)',
      '',
      '1 claims hold, 1 do not (1.5 s): pigs fly',
    ]);
  });

  it('exit with 1 if nothing was claimed', () => {
    expect(new Claims(silent()).exitCode).toBe(1);
  });
});

describe('the output of the demo', () => {
  const printed = (colours: boolean): string => {
    const lines: string[] = [];
    const print = new Printer(colours, (line) => lines.push(line));
    print.act(1, 'Title');
    print.exchange('curl x', { long: 'x'.repeat(100), list: [1, 2] });
    print.bars(new Map([['user-1', 10]]));
    print.claim('holds', true, '');
    print.summary('done', true);
    return lines.join('\n');
  };

  it('has no escape codes when piped', () => {
    expect(printed(false)).not.toContain('\u001b');
    expect(printed(true)).toContain('\u001b[');
  });

  it('fits into 80 columns', () => {
    expect(
      printed(false)
        .split('\n')
        .filter((line) => line.length > 80),
    ).toEqual([]);
  });

  it('ends once it is closed', () => {
    const lines: string[] = [];
    const print = new Printer(false, (line) => lines.push(line));
    print.close();
    print.say('too late');
    expect(lines).toEqual([]);
  });
});

describe('the pace of the demo', () => {
  const pace = async (request: () => Promise<object>): Promise<{ rate: number; said: string }> => {
    const lines: string[] = [];
    const requests = [{ name: 'GET /', send: async () => (await request()) as Record<string, unknown> }];
    const rate = await paceOf(requests, 200, new Printer(false, (line) => lines.push(line)));
    return { rate, said: lines.join('\n') };
  };

  it('is a quarter of the capacity, and is reported with the reason', async () => {
    const { rate, said } = await pace(() => delay(100, {}));
    // Eight at a time make 80 a second, fewer on a slow machine.
    expect(rate).toBeGreaterThanOrEqual(1);
    expect(rate).toBeLessThanOrEqual(22);
    expect(said).toMatch(/measured: \d+ such calls\/s can be answered; \d+\/s are sent \(a quarter:/);
  });

  it('is at most what was requested', async () => {
    const { rate, said } = await pace(() => nextTurn({}));
    expect(rate).toBe(200);
    expect(said).toMatch(/200\/s are sent \(as many as the demo ever sends\)/);
  });

  it('is zero if a call fails', async () => {
    await expect(pace(() => Promise.reject(new Error('status 503')))).rejects.toThrow('status 503');
  });
});

describe('the load of the demo', () => {
  it('counts every unexpected answer', async () => {
    let count = 0;
    const server = createServer((_request, response) => {
      const turn = ++count % 3;
      response.statusCode = turn === 0 ? 503 : 200;
      response.end(JSON.stringify({ servedBy: `user-${turn}`, missing: turn === 1 ? ['orders'] : [] }));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const load = new Load({
      requests: [get(`http://127.0.0.1:${(server.address() as AddressInfo).port}/users/1`)],
      rate: 100,
      fault: ({ missing }) => ((missing as string[]).length > 0 ? 'incomplete' : undefined),
    });
    await load.more(30);
    await load.stop();
    server.close();
    expect(load.answered).toBe(load.sent);
    expect(load.failures).toHaveLength(Math.floor(load.answered / 3) + Math.floor((load.answered + 2) / 3));
    expect(load.servedBy.get('user-2')).toBe(Math.floor((load.answered + 1) / 3));
    expect(load.percentile(0.5)).toBeGreaterThan(0);
  });

  it('waits no longer than its limit', async () => {
    await expect(waitFor('the end of time', () => undefined, 10)).rejects.toThrow('in vain for the end of time');
  });
});
