/** Measures calls of this library beside what else makes them. See ../README.md. */
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { reportOf } from './report.js';
import { type Effort, run } from './run.js';
import { keyOf, type Scenario, SCENARIOS } from './scenarios.js';
import { Servers } from './servers/servers.js';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    scenario: { type: 'string' },
    json: { type: 'string', default: 'bench/results/calls.json' },
  },
});

const THOROUGH: Effort = { rounds: 9, times: { leadMs: 50, windowMs: 250 }, warmUpMs: 1_000, seed: 1 };
const QUICK: Effort = { rounds: 3, times: { leadMs: 30, windowMs: 100 }, warmUpMs: 300, seed: 1 };

/** Those asked for. What the others are compared with is always among them. */
function chosen(): Scenario[] {
  const names = values.scenario?.split(',');
  const contenders = values.only?.split(',');
  return SCENARIOS.filter(({ name }) => !names || names.includes(name)).map((scenario) => ({
    ...scenario,
    lanes: scenario.lanes.filter(
      (lane) => !contenders || contenders.includes(lane.contender) || keyOf(lane) === keyOf(scenario.base),
    ),
  }));
}

const machine = { node: process.version, cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length };
console.log(`Node ${machine.node}, ${machine.cores} cores, ${machine.cpu}\n`);
const servers = new Servers();
try {
  const effort = values.quick ? QUICK : THOROUGH;
  const results = await run(chosen(), effort, servers, (result) => console.log(`${reportOf(result)}\n`));
  await mkdir(dirname(values.json), { recursive: true });
  await writeFile(
    values.json,
    `${JSON.stringify({ at: new Date().toISOString(), machine, effort, results }, null, 2)}\n`,
  );
} finally {
  await servers.stop();
}
