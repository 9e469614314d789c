/** Measures calls of this library beside what else makes them. See ../README.md. */
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { profile, type ProfileEffort } from './profile.js';
import { reportOf } from './report.js';
import { summariesOf } from './results.js';
import { type Effort, run } from './run.js';
import { keyOf, type Scenario, SCENARIOS } from './scenarios.js';
import { Servers } from './servers/servers.js';
import { targetReport, targetsOf } from './targets.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    scenario: { type: 'string' },
    json: { type: 'string', default: 'bench/results/calls.json' },
  },
});

const THOROUGH: Effort & ProfileEffort = {
  rounds: 9,
  times: { leadMs: 50, windowMs: 250 },
  warmUp: { calls: 10_000, cpuMs: 1_000 },
  seed: 1,
  windowMs: 5_000,
};
const QUICK: Effort & ProfileEffort = {
  rounds: 3,
  times: { leadMs: 30, windowMs: 100 },
  warmUp: { calls: 2_000, cpuMs: 300 },
  seed: 1,
  windowMs: 1_000,
};

/** Those asked for. What the others are compared with is always among them. */
function chosen(): Scenario[] {
  const [names, contenders] = [listOf('scenario'), listOf('only')];
  refuseUnknown(
    'scenario',
    names,
    SCENARIOS.map(({ name }) => name),
  );
  refuseUnknown(
    'only',
    contenders,
    SCENARIOS.flatMap(({ lanes }) => lanes.map(({ contender }) => contender)),
  );
  return SCENARIOS.filter(({ name }) => !names || names.includes(name)).map((scenario) => ({
    ...scenario,
    lanes: scenario.lanes.filter(
      (lane) => !contenders || contenders.includes(lane.contender) || keyOf(lane) === keyOf(scenario.base),
    ),
  }));
}

function listOf(option: 'scenario' | 'only'): string[] | undefined {
  return values[option]?.split(',');
}

function refuseUnknown(option: string, given: readonly string[] | undefined, known: readonly string[]): void {
  const unknown = given?.filter((name) => !known.includes(name)) ?? [];
  if (unknown.length > 0) {
    throw new RangeError(`--${option}: ${unknown.join(', ')} is none of ${[...new Set(known)].join(', ')}`);
  }
}

async function measure(scenarios: readonly Scenario[], effort: Effort, servers: Servers): Promise<void> {
  const results = await run(scenarios, effort, servers, (result) => console.log(`${reportOf(result)}\n`));
  const targets = targetsOf(results);
  console.log(targetReport(targets));
  const summaries = results.map((result) => ({ scenario: result.scenario.name, lanes: summariesOf(result) }));
  const written = { at: new Date().toISOString(), machine, effort, summaries, targets, results };
  await mkdir(dirname(values.json), { recursive: true });
  await writeFile(values.json, `${JSON.stringify(written, null, 2)}\n`);
  console.log(`\nAll rounds are in ${values.json}.`);
}

const machine = { node: process.version, cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length };
console.log(`Node ${machine.node}, ${machine.cores} cores, ${machine.cpu}\n`);
const effort = values.quick ? QUICK : THOROUGH;
const servers = new Servers();
try {
  if (positionals[0] === 'profile') {
    const [scenario] = chosen();
    const asked = listOf('only') ?? ['ours'];
    const lanes = scenario!.lanes.filter(({ contender }) => asked.includes(contender));
    await profile({ ...scenario!, lanes }, effort, servers, (report) => console.log(`${report}\n`));
  } else await measure(chosen(), effort, servers);
} finally {
  await servers.stop();
}
