/** Runs the same scenarios against this library and its peers, and prints who passes which. See README.md. */
import { parseArgs } from 'node:util';
import { peers } from './peers.js';
import { reportOf } from './report.js';
import { runAll } from './run.js';
import { scenarios } from './scenarios.js';

const { json } = wanted();
const results = await runAll(scenarios, peers);
console.log(json ? JSON.stringify(results) : reportOf(results, peers));
const [ours] = peers;
// Exit despite timers that a peer left behind.
process.exit(results.some(({ peer, mark }) => peer === ours.name && mark !== '✓') ? 1 : 0);

/** Whether the results are for programs. */
function wanted(): { readonly json: boolean } {
  try {
    return parseArgs({ options: { json: { type: 'boolean', default: false } } }).values;
  } catch (error) {
    console.error(`conformance: ${(error as Error).message}\nWhat can be said is in conformance/README.md.`);
    process.exit(2);
  }
}
