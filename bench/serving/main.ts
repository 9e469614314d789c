/** Measures what importing the module costs the requests that an app serves. See ../README.md. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { DEADLINE_HEADER } from 'nest-service-discovery/core';
import { Pool } from 'undici';
import { answerOf, stop } from '../support/child-process.js';
import { countOf, runCommand } from '../support/command-line.js';
import { median, spreadOf } from '../support/statistics.js';
import { shown, tableOf } from '../support/table.js';
import { type Lane, LANES, nameOf } from './lanes.js';

const CONNECTIONS = 16;
const FAR_MS = 3_600_000;

interface Request {
  readonly rounds: number;
  /** Of each lane, in each round. */
  readonly requests: number;
}

/** An app of its own for each lane, so that no lane warms up another one's code. */
interface Served {
  readonly lane: Lane;
  readonly child: ChildProcess;
  readonly pool: Pool;
  /** Microseconds of processor time a request, by round. */
  readonly costs: number[];
}

function read(args: string[]): Request {
  const { values } = parseArgs({
    args,
    options: { rounds: { type: 'string', default: '25' }, requests: { type: 'string', default: '4000' } },
  });
  return { rounds: countOf('rounds', values.rounds), requests: countOf('requests', values.requests) };
}

async function run({ rounds, requests }: Request): Promise<void> {
  console.log(`Node ${process.version}: processor time of an app for each request that it serves, ${rounds} rounds\n`);
  const all: Served[] = [];
  try {
    for (const lane of LANES) all.push(await start(lane));
    for (const served of all) await costOf(served, 2 * requests);
    for (let round = 0; round < rounds; round += 1) {
      for (const served of all) served.costs.push(await costOf(served, requests));
    }
  } finally {
    await Promise.all(all.map(({ pool }) => pool.destroy()));
    await Promise.all(all.map(({ child }) => stop(child)));
  }
  console.log(
    tableOf(
      ['app', 'µs a request', 'ratio', 'quartiles'],
      all.map((served) => rowOf(served, all)),
    ),
  );
}

async function start(lane: Lane): Promise<Served> {
  const child = fork(fileURLToPath(new URL('served-app.js', import.meta.url)), [JSON.stringify(lane)]);
  const port = await answerOf<number>(child, nameOf(lane));
  return { lane, child, pool: new Pool(`http://127.0.0.1:${port}`, { connections: CONNECTIONS }), costs: [] };
}

/** @returns microseconds of the app's processor time a request */
async function costOf({ lane, child, pool }: Served, requests: number): Promise<number> {
  const headers: Record<string, string> = lane.withDeadline ? { [DEADLINE_HEADER]: String(Date.now() + FAR_MS) } : {};
  const usedUs = (): Promise<number> => {
    const answer = answerOf<number>(child, nameOf(lane));
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
function rowOf({ lane, costs }: Served, all: readonly Served[]): string[] {
  const base = all.find((other) => other.lane.platform === lane.platform && !other.lane.withModule)!;
  const { median: ratio, lower, upper } = spreadOf(costs.map((cost, round) => cost / base.costs[round]!));
  return [nameOf(lane), shown(median(costs)), ratio.toFixed(2), `${lower.toFixed(2)}–${upper.toFixed(2)}`];
}

await runCommand('bench:serving', read, run);
