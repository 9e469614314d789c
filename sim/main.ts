/** Balancing and resilience in simulated time, compared with other libraries. See docs/simulations.md. */
import { parseArgs } from 'node:util';
import { SCENARIOS } from './scenarios/index.js';
import { type Scenario } from './scenarios/scenario.js';
import { simulate } from './simulate.js';

interface Request {
  readonly seed: number;
  readonly scenarios: readonly Scenario[];
}

function parseRequest(args: string[]): Request {
  const { values, positionals } = parseArgs({
    args,
    options: { seed: { type: 'string', default: '1' } },
    allowPositionals: true,
  });
  const seed = Number(values.seed);
  if (!Number.isSafeInteger(seed)) throw new Error(`--seed: expected a whole number, but got ${values.seed}`);
  const unknown = positionals.filter((wanted) => !SCENARIOS.some(({ name }) => name === wanted));
  if (unknown.length > 0) {
    const names = SCENARIOS.map(({ name }) => name).join(', ');
    throw new Error(`There is no scenario ${unknown.join(', ')}: choose of ${names}`);
  }
  const scenarios = SCENARIOS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  return { seed, scenarios };
}

/** @returns how many bounds were missed */
async function run({ seed, scenarios }: Request): Promise<number> {
  console.log(`Node ${process.version}, --seed ${seed}\n`);
  let missed = 0;
  for (const scenario of scenarios) {
    const began = performance.now();
    const { text, bounds } = await simulate(scenario, seed);
    console.log(text);
    // On stderr, since it does not depend on the seed: the output of two runs can be compared.
    console.error(`(${((performance.now() - began) / 1_000).toFixed(1)} s)\n`);
    missed += bounds.filter(({ holds }) => !holds).length;
  }
  if (missed > 0) console.log(`Missed bounds: ${missed}`);
  return missed;
}

try {
  process.exitCode = (await run(parseRequest(process.argv.slice(2)))) > 0 ? 1 : 0;
} catch (error) {
  console.error(`sim: ${(error as Error).message}`);
  process.exitCode = 2;
}
