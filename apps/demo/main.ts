/**
 * `npm run demo`: the library on real processes, in about a minute. It sends as many calls as the machine can take, which it
 * measures, so that its claims hold on a busy one, too. Ends with 0 when all of them held, else with 1, and leaves no
 * process behind, however it ends.
 */
import { ProcessGroup } from '../support/processes.js';
import { calls } from './acts/calls.js';
import { circuit } from './acts/circuit.js';
import { crash } from './acts/crash.js';
import { departure } from './acts/departure.js';
import { discovery } from './acts/discovery.js';
import { fallback } from './acts/fallback.js';
import { opening } from './acts/opening.js';
import { parallel } from './acts/parallel.js';
import { restart } from './acts/restart.js';
import { standstill } from './acts/standstill.js';
import { Claims } from './support/claims.js';
import { Journal } from './support/journal.js';
import { Printer } from './support/print.js';
import { Stage } from './support/stage.js';

const ACTS: readonly (readonly [title: string, act: (stage: Stage) => Promise<void>])[] = [
  ['A registry and ten service processes start', opening],
  ['Discovery: where is a service?', discovery],
  ['Calls through the gateway, spread over the instances', calls],
  ['Parallel calls', parallel],
  ['Fallback: a service is gone, another one answers', fallback],
  ['A rolling restart: each instance of two services in turn, under load', restart],
  ['A standstill: SIGSTOP, and nobody waits for it', standstill],
  ['A crash: SIGKILL under load', crash],
  ['A deployment: SIGTERM under load', departure],
  ['A failing service: its circuit opens, and recovers', circuit],
];

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

const print = new Printer();
const claims = new Claims(print);
const group = new ProcessGroup({ startTimeoutMs: 120_000, stopTimeoutMs: 3_000 });
const journal = await Journal.create();

// Listens for interruptions before anything starts.
process.exitCode = await Promise.race([interruption(), play()]);
await group.stop();
await journal.remove();
// Requests of a load that was interrupted may be under way still.
process.exit();

async function play(): Promise<number> {
  const stage = new Stage(print, claims, group, journal);
  try {
    for (const [index, [title, act]] of ACTS.entries()) {
      print.act(index + 1, title);
      await act(stage);
    }
  } catch (error) {
    claims.check('the demo runs to its end', false, describe(error));
  }
  await curtain(stage);
  claims.summary(performance.now() / 1_000);
  return claims.exitCode;
}

/** Everything ends, and the claim is that nothing is left. */
async function curtain(stage: Stage): Promise<void> {
  print.act(ACTS.length + 1, 'The curtain falls');
  await group.stop();
  const left = stage.pids.filter(isAlive);
  claims.check('every process has ended', left.length === 0, left.length === 0 ? '' : `left: ${left.join(', ')}`);
}

/** Resolves with the exit code when somebody wants the demo to end; asked again, it ends at once. */
function interruption(): Promise<number> {
  return new Promise((resolve) => {
    let asked = false;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        if (asked) group.killAll();
        else print.summary(`${signal}: ending every process`, false);
        asked = true;
        print.close();
        resolve(EXIT_CODES[signal]);
      });
    }
    // `npm run demo | head`: nobody reads on.
    process.stdout.on('error', () => {
      print.close();
      resolve(1);
    });
  });
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${describe(error.cause)}`;
}
