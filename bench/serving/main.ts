/** Measures what importing the module costs the requests that an app serves. See ../README.md. */
import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { DEADLINE_HEADER } from 'nest-service-discovery/core';
import { Pool } from 'undici';
import { answerOf, stop } from '../support/child-process.js';
import { countOf, namesOf, runCommand } from '../support/command-line.js';
import { type Stack, STACK_OPTIONS, type StackChoice, stackChoiceOf, withStacks } from '../support/stacks.js';
import { median, spreadOf } from '../support/statistics.js';
import { shown, shownSpread, tableOf } from '../support/table.js';
import { type AppKind, type Lane, LANES, type Platform, PLATFORMS, type Served } from './lanes.js';

const CONNECTIONS = 16;
const FAR_MS = 3_600_000;
/** Before the first round, in which the code of a process is compiled. */
const WARM_UP_ROUNDS = 12;

interface Request {
  readonly stacks: StackChoice;
  readonly platforms: readonly Platform[];
  readonly rounds: number;
  /** Of each lane, in each round. */
  readonly requests: number;
}

/** An app of its own for each lane, so that no lane warms up another one's code or enters contexts for it. */
interface Running {
  readonly lane: Lane;
  readonly child: ChildProcess;
  readonly pool: Pool;
  /** Microseconds of processor time a request, by round. */
  readonly costs: number[];
}

function read(args: string[]): Request {
  const { values } = parseArgs({
    args,
    options: {
      ...STACK_OPTIONS,
      platform: { type: 'string' },
      rounds: { type: 'string', default: '61' },
      requests: { type: 'string', default: '500' },
    },
  });
  return {
    stacks: stackChoiceOf(values),
    platforms: (namesOf('platform', values.platform, PLATFORMS) as Platform[] | undefined) ?? PLATFORMS,
    rounds: countOf('rounds', values.rounds),
    requests: countOf('requests', values.requests),
  };
}

async function run(request: Request): Promise<void> {
  console.log(`Processor time of an app for each request that it serves, ${request.rounds} rounds\n`);
  await withStacks(request.stacks, new URL('served-app.js', import.meta.url), async (stacks, script) => {
    for (const stack of stacks) {
      for (const platform of request.platforms) console.log(`${await compare(stack, platform, script, request)}\n`);
    }
  });
}

/** @returns the table */
async function compare(stack: Stack, platform: Platform, script: string, request: Request): Promise<string> {
  const all: Running[] = [];
  try {
    for (const lane of LANES) {
      const served: Served = { app: lane.app, platform, loading: stack.loading };
      all.push(await start(lane, join(stack.folder, script), stack.node, served));
    }
    for (let round = 0; round < WARM_UP_ROUNDS; round += 1) {
      for (const running of all) await costOf(running, request.requests);
    }
    // Round by round, so that what else the machine does meets all of them alike.
    for (let round = 0; round < request.rounds; round += 1) {
      for (const running of all) running.costs.push(await costOf(running, request.requests));
    }
  } finally {
    await Promise.all(all.map(({ pool }) => pool.destroy()));
    await Promise.all(all.map(({ child }) => stop(child)));
  }
  const of = (app: AppKind, withDeadline: boolean): number[] =>
    all.find(({ lane }) => lane.app === app && lane.withDeadline === withDeadline)!.costs;
  const rows = LANES.filter(({ app }) => app !== 'bare').map(({ app, withDeadline }) =>
    rowOf(app, withDeadline, of(app, withDeadline), of('bare', withDeadline)),
  );
  return tableOf([`${stack.name}, ${platform}`, 'µs without', 'µs with', 'ratio', 'wanted'], rows);
}

async function start(lane: Lane, script: string, node: string, served: Served): Promise<Running> {
  const child = fork(script, [JSON.stringify(served)], { execPath: node, execArgv: ['--no-warnings'] });
  const port = await answerOf<number>(child, `${lane.app} on ${served.platform}`);
  return { lane, child, pool: new Pool(`http://127.0.0.1:${port}`, { connections: CONNECTIONS }), costs: [] };
}

/** @returns microseconds of the app's processor time a request */
async function costOf({ lane, child, pool }: Running, requests: number): Promise<number> {
  const headers: Record<string, string> = lane.withDeadline ? { [DEADLINE_HEADER]: String(Date.now() + FAR_MS) } : {};
  const usedUs = (): Promise<number> => {
    const answer = answerOf<number>(child, lane.app);
    child.send('cpu');
    return answer;
  };
  const before = await usedUs();
  let left = requests;
  const ask = async (): Promise<void> => {
    while (left-- > 0) await (await pool.request({ path: '/hello', method: 'GET', headers })).body.dump();
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, ask));
  return ((await usedUs()) - before) / requests;
}

/** Ratios are taken round by round, since the machine's speed changes between rounds. */
function rowOf(app: AppKind, withDeadline: boolean, costs: readonly number[], base: readonly number[]): string[] {
  return [
    `an app that ${app === 'calls' ? 'makes calls' : 'only serves'}, ${withDeadline ? 'a deadline' : 'plain requests'}`,
    shown(median(base)),
    shown(median(costs)),
    shownSpread(spreadOf(costs.map((cost, round) => cost / base[round]!))),
    `≤ ${withDeadline ? '1.10' : '1.03'}`,
  ];
}

await runCommand('bench:serving', read, run);
