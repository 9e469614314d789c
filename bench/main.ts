/** Runs the benchmark that the first argument names, or that of calls. See README.md. */
import { runCommand } from './support/command-line.js';

const BENCHES: Readonly<Record<string, () => Promise<unknown>>> = {
  calls: () => import('./calls/main.js'),
  registry: () => import('./registry/main.js'),
  micro: () => import('./micro/main.js'),
  health: () => import('./health/main.js'),
  serving: () => import('./serving/main.js'),
  import: () => import('./import/main.js'),
  dashboard: () => import('./dashboard/main.js'),
  'end-to-end': () => import('./end-to-end/main.js'),
};

/** Takes the name away: each benchmark reads the arguments that are left. `profile` is a word of the benchmark of calls. */
function read(): () => Promise<unknown> {
  const [word] = process.argv.slice(2);
  if (word === undefined || word.startsWith('-') || word === 'profile') return BENCHES.calls!;
  if (!Object.hasOwn(BENCHES, word)) {
    throw new RangeError(`${word}: expected one of ${Object.keys(BENCHES).join(', ')}, or profile`);
  }
  process.argv.splice(2, 1);
  return BENCHES[word]!;
}

await runCommand('bench', read, async (load) => {
  await load();
});
