/** Measures what importing the package costs a process, beside what Nest itself does. See ../README.md. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { answerOf } from '../support/child-process.js';
import { countOf, runCommand } from '../support/command-line.js';
import { spreadOf } from '../support/statistics.js';
import { tableOf } from '../support/table.js';
import { type Imported } from './importer.js';

/** By what they are: ours, what ours imports, and what ours loads only where it is used. */
const SUBJECTS: Readonly<Record<string, readonly string[]>> = {
  'nest-service-discovery': ['nest-service-discovery'],
  '  its undici': ['undici'],
  '  its semver': ['semver/functions/valid.js', 'semver/ranges/valid.js'],
  '  its ipaddr.js': ['ipaddr.js'],
  'nest-service-discovery/core': ['nest-service-discovery/core'],
  'at the first scrape: prom-client': ['prom-client'],
  'at the first fields of the API: class-validator': ['class-validator'],
  'with Redis: ioredis': ['ioredis'],
  'with ./axios: axios, @nestjs/axios': ['axios', '@nestjs/axios'],
  'in the app: @nestjs/terminus': ['@nestjs/terminus'],
};

interface Request {
  readonly rounds: number;
  /** The program to run; undefined: this one's Node. */
  readonly node: string | undefined;
  readonly isRequire: boolean;
}

function read(args: string[]): Request {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: 'string', default: '15' },
      node: { type: 'string' },
      require: { type: 'boolean', default: false },
    },
  });
  return { rounds: countOf('rounds', values.rounds), node: values.node, isRequire: values.require };
}

/** In a process of its own: nothing is loaded but Nest. */
function importOnce(names: readonly string[], { node, isRequire }: Request): Promise<Imported> {
  const script = fileURLToPath(new URL('./importer.js', import.meta.url));
  const options = { execArgv: ['--no-warnings'], ...(node === undefined ? {} : { execPath: node }) };
  return answerOf(fork(script, [isRequire ? 'require' : 'import', ...names], options), names.join(' '));
}

async function run(request: Request): Promise<void> {
  const subjects = Object.entries(SUBJECTS);
  const results = subjects.map((): Imported[] => []);
  // Round by round, so that what else the machine does meets all of them alike.
  for (let round = 0; round < request.rounds; round++) {
    for (const [index, [, names]] of subjects.entries()) results[index]!.push(await importOnce(names, request));
  }
  const nest = results.flat();
  const version = nest[0]?.node ?? '';
  console.log(
    `Node ${version}, ${request.isRequire ? 'require()' : 'import'}: @nestjs/core with @nestjs/common and reflect-metadata takes ` +
      `${shown(nest.map(({ nestMs }) => nestMs))} ms of processor time, ${shown(nest.map(({ nestMb }) => nestMb))} MB\n`,
  );
  const rows = subjects.map(([title], index) => {
    const measured = results[index]!;
    return [
      title,
      shown(
        measured.map(({ addedMs, nestMs }) => addedMs / nestMs),
        2,
      ),
      shown(measured.map(({ addedMs }) => addedMs)),
      shown(measured.map(({ addedMb }) => addedMb)),
    ];
  });
  console.log(tableOf(['on top of Nest', 'processor time / Nest', 'ms', 'MB'], rows));
}

/** The median, with the quartiles in brackets. */
function shown(values: readonly number[], digits = 0): string {
  const { median, lower, upper } = spreadOf(values);
  return `${median.toFixed(digits)} (${lower.toFixed(digits)}–${upper.toFixed(digits)})`;
}

await runCommand('bench:import', read, run);
