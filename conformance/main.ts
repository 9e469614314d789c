/** Runs the same scenarios against this library and its peers, and prints who passes which. See README.md. */
import { peers } from './peers.js';
import { reportOf } from './report.js';
import { runAll } from './run.js';
import { scenarios } from './scenarios.js';

const results = await runAll(scenarios, peers);
console.log(process.argv.includes('--json') ? JSON.stringify(results) : reportOf(results, peers));
const [ours] = peers;
// Exit despite timers that a peer left behind.
process.exit(results.some(({ peer, mark }) => peer === ours.name && mark !== '✓') ? 1 : 0);
