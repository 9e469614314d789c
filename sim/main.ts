/** Balancing and resilience in simulated time, ours beside others'. See docs/simulations.md. */
import { parseArgs } from 'node:util';
import { SCENARIOS } from './scenarios/index.js';
import { simulate } from './simulate.js';

const { values, positionals } = parseArgs({
  options: { seed: { type: 'string', default: '1' } },
  allowPositionals: true,
});
const seed = Number(values.seed);
if (!Number.isSafeInteger(seed)) throw new Error(`--seed: expected a whole number, but got ${values.seed}`);
const unknown = positionals.filter((name) => !SCENARIOS.some((scenario) => scenario.name === name));
if (unknown.length > 0) {
  const names = SCENARIOS.map(({ name }) => name).join(', ');
  throw new Error(`There is no scenario ${unknown.join(', ')}; there are ${names}`);
}

console.log(`Node ${process.version}, --seed ${seed}\n`);
let missed = 0;
for (const scenario of SCENARIOS) {
  if (positionals.length > 0 && !positionals.includes(scenario.name)) continue;
  const began = performance.now();
  const { text, bounds } = await simulate(scenario, seed);
  console.log(text);
  console.error(`(${((performance.now() - began) / 1_000).toFixed(1)} s)\n`);
  missed += bounds.filter(({ holds }) => !holds).length;
}
if (missed > 0) {
  console.log(`${missed} bounds missed`);
  process.exitCode = 1;
}
