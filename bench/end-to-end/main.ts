/** Compares ways to call from one Nest app to another, as the clients of the first one see it. See ../README.md. */
import { parseArgs } from 'node:util';
import { countOf, namesOf, runCommand } from '../support/command-line.js';
import { median, spreadOf } from '../support/statistics.js';
import { shown, shownSpread, tableOf } from '../support/table.js';
import { type Lane, LANES, type Platform, PLATFORMS } from './lanes.js';
import { Pair, type PairFigures } from './pair.js';

/** Before the first round, in which the code of all processes is compiled. */
const WARM_UP_ROUNDS = 3;

interface Request {
  readonly rounds: number;
  /** Of each lane, in each round. */
  readonly requests: number;
  readonly platforms: readonly Platform[];
}

function read(args: string[]): Request {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: 'string', default: '15' },
      requests: { type: 'string', default: '2000' },
      platform: { type: 'string' },
    },
  });
  const named = namesOf('platform', values.platform, PLATFORMS);
  return {
    rounds: countOf('rounds', values.rounds),
    requests: countOf('requests', values.requests),
    platforms: PLATFORMS.filter((platform) => named?.includes(platform) ?? true),
  };
}

async function run({ rounds, requests, platforms }: Request): Promise<void> {
  console.log(`Node ${process.version}: one app calls another for each request, concurrency 64, ${rounds} rounds\n`);
  for (const platform of platforms) console.log(`${await compare(platform, rounds, requests)}\n`);
}

/** @returns the table */
async function compare(platform: Platform, rounds: number, requests: number): Promise<string> {
  const pairs = new Map<Lane, Pair>();
  const missing: string[] = [];
  try {
    for (const lane of LANES) {
      try {
        pairs.set(lane, await Pair.start(lane, platform));
      } catch (error) {
        missing.push(`${lane.name}: ${(error as Error).message}`);
      }
    }
    for (const pair of pairs.values()) {
      for (let round = 0; round < WARM_UP_ROUNDS; round++) await pair.round(requests);
    }
    // Round by round, so that what else the machine does meets all of them alike.
    for (let round = 0; round < rounds; round++) {
      for (const pair of pairs.values()) pair.rounds.push(await pair.round(requests));
    }
  } finally {
    await Promise.all([...pairs.values()].map((pair) => pair.stop()));
  }
  const base = pairs.get(LANES[0]!)!.rounds;
  const rows = [...pairs].map(([{ name }, pair]) => [name, ...cellsOf(pair.rounds, base)]);
  return [tableOf([platform, ...HEAD], rows), ...missing].join('\n');
}

const HEAD = ['requests/s', 'of the first', 'CPU µs, apps', 'of the first', 'CPU µs, proxy', 'p50 ms', 'p99 ms'];

function cellsOf(rounds: readonly PairFigures[], base: readonly PairFigures[]): string[] {
  const valueOf = (metric: keyof PairFigures): number => median(rounds.map((round) => round[metric]));
  const ratioOf = (metric: keyof PairFigures): string =>
    shownSpread(spreadOf(rounds.map((round, n) => round[metric] / base[n]![metric])));
  const proxyUs = valueOf('proxyUs');
  return [
    shown(valueOf('requestsPerSecond')),
    ratioOf('requestsPerSecond'),
    shown(valueOf('appsUs')),
    ratioOf('appsUs'),
    proxyUs > 0 ? shown(proxyUs) : '',
    shown(valueOf('p50Ms')),
    shown(valueOf('p99Ms')),
  ];
}

await runCommand('bench:end-to-end', read, run);
