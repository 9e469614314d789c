/** Compares calls of this library with alternatives. See ../README.md. */
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { namesOf, runCommand } from '../support/command-line.js';
import { profile, type ProfileEffort } from './profile.js';
import { reportOf } from './report.js';
import { summariesOf } from './results.js';
import { type Effort, run as measureAll } from './run.js';
import { keyOf, type Scenario, SCENARIOS } from './scenarios.js';
import { Servers } from './servers/servers.js';
import { targetReport, targetsOf } from './targets.js';

const THOROUGH: Effort & ProfileEffort = {
  rounds: 9,
  processes: 2,
  times: { leadMs: 50, windowMs: 250 },
  warmUp: { calls: 10_000, cpuMs: 2_000 },
  seed: 1,
  windowMs: 5_000,
};
const QUICK: Effort & ProfileEffort = {
  rounds: 3,
  processes: 2,
  times: { leadMs: 30, windowMs: 100 },
  warmUp: { calls: 2_000, cpuMs: 300 },
  seed: 1,
  windowMs: 1_000,
};

const WHAT_STANDS_IN_TABLES =
  'Figures are medians of all rounds. Ratios are taken round by round; shown is their median, with the quartiles in brackets.';

interface Request {
  readonly isProfile: boolean;
  /** The baseline is among the lanes of each. */
  readonly scenarios: readonly Scenario[];
  /** Contenders named on the command line; undefined: all. */
  readonly contenders: readonly string[] | undefined;
  readonly effort: Effort & ProfileEffort;
  /** Output file for all measurements. */
  readonly json: string;
}

function read(args: string[]): Request {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      scenario: { type: 'string' },
      json: { type: 'string' },
    },
  });
  const strange = positionals.find((word) => word !== 'profile');
  if (strange !== undefined) throw new RangeError(`${strange}: the one word that there is beside options is profile`);
  const isProfile = positionals.length > 0;
  if (isProfile && values.json !== undefined) throw new RangeError('--json: a profile is printed, and not written');
  const scenarios = namesOf(
    'scenario',
    values.scenario ?? (isProfile ? 'c64' : undefined),
    SCENARIOS.map(({ name }) => name),
  );
  const known = SCENARIOS.flatMap(({ lanes }) => lanes.map(({ contender }) => contender));
  const contenders = namesOf('only', values.only, known);
  return {
    isProfile,
    scenarios: SCENARIOS.filter(({ name }) => !scenarios || scenarios.includes(name)).map((scenario) => ({
      ...scenario,
      lanes: scenario.lanes.filter(
        (lane) => !contenders || contenders.includes(lane.contender) || keyOf(lane) === keyOf(scenario.base),
      ),
    })),
    contenders,
    effort: values.quick ? QUICK : THOROUGH,
    json: values.json ?? 'bench/results/calls.json',
  };
}

async function run(request: Request): Promise<void> {
  const machine = { node: process.version, cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length };
  console.log(`Node ${machine.node}, ${machine.cores} cores, ${machine.cpu}\n`);
  const servers = new Servers();
  try {
    await (request.isProfile ? showProfile(request, servers) : measure(request, servers, machine));
  } finally {
    await servers.stop();
  }
}

async function showProfile({ scenarios, contenders = ['ours'], effort }: Request, servers: Servers): Promise<void> {
  for (const scenario of scenarios) {
    const lanes = scenario.lanes.filter(({ contender }) => contenders.includes(contender));
    await profile({ ...scenario, lanes }, effort, servers, (report) => console.log(`${scenario.name}: ${report}\n`));
  }
}

async function measure({ scenarios, effort, json }: Request, servers: Servers, machine: object): Promise<void> {
  const results = await measureAll(scenarios, effort, servers, (result) => console.log(`${reportOf(result)}\n`));
  const targets = targetsOf(results);
  console.log([WHAT_STANDS_IN_TABLES, ...targetReport(targets)].join('\n\n'));
  const summaries = results.map((result) => ({ scenario: result.scenario.name, lanes: summariesOf(result) }));
  const written = { at: new Date().toISOString(), machine, effort, summaries, targets, results };
  await mkdir(dirname(json), { recursive: true });
  await writeFile(json, `${JSON.stringify(written, null, 2)}\n`);
  console.log(`\nAll rounds are in ${json}.`);
}

await runCommand('bench', read, run);
