import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type LaneResult, type ScenarioResult } from '../bench/calls/results.js';
import { LANES } from '../bench/end-to-end/lanes.js';
import { type MicroSubject } from '../bench/micro/micro-case.js';
import { SUBJECTS } from '../bench/micro/subjects.js';
import { addSources, type BuiltPackage, buildPackage, BUILD_TIMEOUT_MS } from './support/built-package.js';

/**
 * Checks that the benchmarks run and measure what they claim; the figures mean nothing on a busy machine.
 * `redis-scale.long.e2e-spec.ts` runs the benchmark of the registry.
 */
const exec = promisify(execFile);
/** For a run slowed down by what else the machine does. */
const RUN_TIMEOUT_MS = 600_000;

let built: BuiltPackage;

beforeAll(async () => {
  built = await buildPackage({ name: 'benches', type: 'module' });
  await addSources(built, 'bench');
}, BUILD_TIMEOUT_MS);
afterAll(() => built.remove());

/** `npm run bench -- <args>`. Returns the output. */
async function bench(...args: string[]): Promise<string> {
  return (await exec(process.execPath, [join(built.consumer, 'main.js'), ...args], { cwd: built.consumer })).stdout;
}

describe('npm run bench', () => {
  it(
    'gets figures of every contender whose program is there, and writes all of them down',
    async () => {
      const file = join(built.consumer, 'calls.json');
      const printed = await bench('--quick', '--scenario', 'c1', '--json', file);
      const { results } = JSON.parse(await readFile(file, 'utf8')) as { results: readonly ScenarioResult[] };
      expect(results.map(({ scenario }) => scenario.name)).toEqual(['c1']);
      const [{ lanes }] = results as [ScenarioResult];
      expect(lanes.length).toBeGreaterThan(10);
      expect(lanes.filter((lane) => !isMeasured(lane) && !isNotInstalled(lane))).toEqual([]);
      for (const { lane } of lanes) expect(printed).toContain(`\n${lane.contender} `);
      expect(printed).toMatch(/c1: ours \/ undici, p50 +≤ 1\.00 +\d/);
    },
    RUN_TIMEOUT_MS,
  );

  it(
    'profiles, and tells our own functions from the others',
    async () => {
      const printed = await bench('profile', '--quick', '--only', 'ours');
      expect(printed).toMatch(/heaviest of this library[^]*communicator\/call\/[^]*heaviest of the others/);
    },
    RUN_TIMEOUT_MS,
  );
});

/** With the bytes per call, and as many rounds as a quick run has, all with calls. */
function isMeasured({ rounds, bytesPerCall = 0 }: LaneResult): boolean {
  return rounds.length === 6 && rounds.every(({ p50Us }) => p50Us > 0) && bytesPerCall > 0;
}

function isNotInstalled({ lane, missing }: LaneResult): boolean {
  return /nginx|haproxy/.test(lane.contender) && missing?.includes('is not installed') === true;
}

describe('npm run bench -- micro', () => {
  it.each([...SUBJECTS])('makes every step of "%s"', async (_, load) => {
    const subject: MicroSubject = await load();
    try {
      expect(subject.cases.length + (subject.holdings ? 1 : 0)).toBeGreaterThan(0);
      for (const one of subject.cases) await one.run(2);
    } finally {
      await subject.close?.();
    }
  });

  it('measures in a process of its own, including allocations', async () => {
    const printed = await bench('micro', '--rounds', '1', '--only', 'budget');
    expect(printed).toMatch(/^budget .*\n-.*\n\S.* \d+(\.\d+)? ns /m);
  });
});

describe('npm run bench -- health', () => {
  it('checks every instance in every interval', async () => {
    const printed = await bench(
      ...['health', '--instances', '60', '--services', '3', '--interval', '1', '--intervals', '3'],
    );
    const rows = [...printed.matchAll(/^(\d) +(\d+) +(\d+) /gm)].map(([, ...cells]) => cells.map(Number));
    expect(rows.map(([interval, , failed]) => [interval, failed])).toEqual([
      [1, 0],
      [2, 0],
      [3, 0],
    ]);
    expect(rows.reduce((sum, [, checks]) => sum + checks!, 0)).toBeGreaterThan(2 * 60);
  });
});

const THIS_NODE = process.versions.node.split('.')[0]!;

describe('npm run bench -- import', () => {
  it.each([
    ['the package', '11', 'by require()', []],
    ['the package, its parts', '12', 'by import()', ['--parts']],
  ])(
    'compares %s and the start of an app with Nest %s',
    async (_what, nest, how, parts) => {
      const printed = await bench('import', '--rounds', '1', ...parts, '--node', THIS_NODE, '--nest', nest);
      expect(printed).toContain(`Node ${process.versions.node}, Nest ${nest} ${how}: `);
      const ratios = [...printed.matchAll(/^.* (\d+\.\d\d) \(/gm)].map(([, ratio]) => Number(ratio));
      expect(ratios).toHaveLength(parts.length > 0 ? 10 : 1);
      expect(Math.min(...ratios)).toBeGreaterThanOrEqual(0);
      expect(printed).toMatch(/^An app starts in \d+ \(.* ms more until it listens$/m);
    },
    RUN_TIMEOUT_MS,
  );
});

describe('npm run bench -- serving', () => {
  it(
    'compares apps with the module and without it, on both platforms',
    async () => {
      const printed = await bench('serving', '--rounds', '1', '--requests', '50', '--node', THIS_NODE, '--nest', '12');
      const rows = [...printed.matchAll(/^(an app that .*?) {2,}(\d[\d.]*) +(\d[\d.]*) +\d+\.\d\d \(/gm)];
      expect(rows).toHaveLength(2 * 4);
      for (const [, , without, withIt] of rows) {
        expect(Number(without)).toBeGreaterThan(0);
        expect(Number(withIt)).toBeGreaterThan(0);
      }
    },
    RUN_TIMEOUT_MS,
  );
});

describe('npm run bench -- end-to-end', () => {
  it(
    'gets figures of every way whose programs are there',
    async () => {
      const printed = await bench('end-to-end', '--rounds', '1', '--requests', '64', '--platform', 'Fastify');
      const rates = [...printed.matchAll(/^([^ ].*?) {2,}(\d[\d,.]*) +\d+\.\d\d \(/gm)].map(([, name, rate]) => [
        name,
        rate,
      ]);
      for (const { name, proxy } of LANES) {
        const measured = rates.filter(([one]) => one === name);
        const missing = printed
          .split('\n')
          .filter((line) => line.startsWith(`${name}: `) && line.includes('is not installed'));
        expect([name, measured.length + (proxy ? missing.length : 0)]).toEqual([name, 1]);
      }
      expect(rates.filter(([, rate]) => !(Number.parseFloat(rate!) > 0))).toEqual([]);
    },
    RUN_TIMEOUT_MS,
  );
});

describe('a wrong argument', () => {
  it.each([
    [['--rouns', '3'], "Unknown option '--rouns'"],
    [['calls', '--scenario', 'c64,c2'], '--scenario: c2 is none of c64, c1, '],
    [['--only', 'axios'], '--only: axios is none of undici, '],
    [['calls', 'profiel'], 'profiel: the one word that there is beside options is profile'],
    [['profile', '--json', 'x'], '--json: a profile is printed, and not written'],
    [['micro', '--rounds', '0'], '--rounds: expected a whole number of 1 or more, but got "0"'],
    [['micro', '--only', 'x'], '--only: expected a part of one of pick round_robin, '],
    [['health', '--interval', '1.5'], '--interval: expected a whole number of 1 or more, but got "1.5"'],
    [['end-to-end', '--platform', 'Koa'], '--platform: Koa is none of Express, Fastify'],
    [['end-to-end', '--requests', '0'], '--requests: expected a whole number of 1 or more, but got "0"'],
    [['import', '--rounds', '0'], '--rounds: expected a whole number of 1 or more, but got "0"'],
    [['import', '--node', 'lts'], '--node: expected major versions such as 20,24, but got "lts"'],
    [['serving', '--nest', '10'], '--nest: 10 is none of 11, 12'],
    [['servings'], 'servings: expected one of calls, registry, '],
    [['registry', 'costs'], 'costs: the one word that there is is cost'],
  ])('%j is reported in one line before anything starts', async (words, told) => {
    const failure = (await bench(...words).catch((error: unknown) => error)) as { code: number; stderr: string };
    expect(failure).toMatchObject({ code: 2, stderr: expect.stringContaining(told) as unknown });
    expect(failure.stderr).not.toContain('    at ');
  });
});
