/**
 * `npm run demo`: the library on real processes, in a minute or more. It measures the machine's capacity and adapts its
 * load, so that its claims also hold on a busy machine. Exits with 0 if all of them held, else with 1, and leaves no
 * process behind.
 */
import { ProcessGroup } from '../support/processes.js';
import { badVersion } from './acts/bad-version.js';
import { besideKong } from './acts/beside-kong.js';
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
  ['Beside Kong: the calls move away from it under load, and back', besideKong],
  ['A rollout of a bad version is rolled back automatically', badVersion],
  ['A rolling restart: each instance of two services in turn, under load', restart],
  ['A stall: SIGSTOP, and no caller waits for it', standstill],
  ['A failing instance: its circuit opens, and recovers', circuit],
  ['A crash: SIGKILL under load', crash],
  ['A deployment: SIGTERM under load', departure],
];

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

const print = new Printer();
const claims = new Claims(print);
const group = new ProcessGroup({ startTimeoutMs: 120_000, stopTimeoutMs: 3_000 });
const journal = await Journal.create();

// Handle interruptions before anything starts.
process.exitCode = await Promise.race([interruption(), play()]);
await group.stop();
await journal.remove();
// Requests of an interrupted load may still be in flight.
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

/** Stops everything, and claims that nothing is left. */
async function curtain(stage: Stage): Promise<void> {
  print.act(ACTS.length + 1, 'Every process stops');
  await group.stop();
  const left = stage.pids.filter(isAlive);
  claims.check('every process has ended', left.length === 0, left.length === 0 ? '' : `left: ${left.join(', ')}`);
}

/** Resolves with the exit code on the first signal; a second one exits at once. */
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
    // `npm run demo | head` closes the pipe early.
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
