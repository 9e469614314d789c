/** Measures what importing the package costs a process, and starting an app with it, beside what Nest itself does. See ../README.md. */
import { fork } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { answerOf } from '../support/child-process.js';
import { countOf, runCommand } from '../support/command-line.js';
import { type Stack, STACK_OPTIONS, type StackChoice, stackChoiceOf, withStacks } from '../support/stacks.js';
import { spreadOf } from '../support/statistics.js';
import { tableOf } from '../support/table.js';
import { type Imported, type ImportOrder } from './importer.js';

const PACKAGE = 'nest-service-discovery';

/** With `--parts`: what the package imports, and what it loads only where it is used. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  '  its semver': ['semver/functions/valid.js', 'semver/ranges/valid.js'],
  '  its ipaddr.js': ['ipaddr.js'],
  'nest-service-discovery/core': ['nest-service-discovery/core'],
  'once the app makes calls: undici': ['undici'],
  'at the first scrape: prom-client': ['prom-client'],
  'at the first fields of the API: class-validator': ['class-validator'],
  'with Redis: ioredis': ['ioredis'],
  'with ./axios: axios, @nestjs/axios': ['axios', '@nestjs/axios'],
  'in the app: @nestjs/terminus': ['@nestjs/terminus'],
};

interface Request {
  readonly stacks: StackChoice;
  readonly rounds: number;
  readonly withParts: boolean;
}

function read(args: string[]): Request {
  const { values } = parseArgs({
    args,
    options: {
      ...STACK_OPTIONS,
      rounds: { type: 'string', default: '15' },
      parts: { type: 'boolean', default: false },
    },
  });
  return { stacks: stackChoiceOf(values), rounds: countOf('rounds', values.rounds), withParts: values.parts };
}

async function run({ stacks: choice, rounds, withParts }: Request): Promise<void> {
  const subjects = Object.entries({ [PACKAGE]: [PACKAGE], ...(withParts ? PARTS : {}) });
  await withStacks(choice, new URL('importer.js', import.meta.url), async (stacks, script) => {
    for (const stack of stacks) console.log(`${await measure(stack, script, subjects, rounds)}\n`);
  });
}

/** @returns the table, and the line on starting */
async function measure(
  stack: Stack,
  script: string,
  subjects: readonly (readonly [string, readonly string[]])[],
  rounds: number,
): Promise<string> {
  const imported = subjects.map((): Imported[] => []);
  const started = { bare: [] as Imported[], discoverable: [] as Imported[] };
  // Round by round, so that what else the machine does meets all of them alike.
  for (let round = 0; round < rounds; round++) {
    for (const [index, [, names]] of subjects.entries())
      imported[index]!.push(await importOnce(stack, script, { names }));
    started.bare.push(await importOnce(stack, script, { names: [], app: 'bare' }));
    started.discoverable.push(await importOnce(stack, script, { names: [PACKAGE], app: 'discoverable' }));
  }
  const nest = imported.flat();
  const rows = subjects.map(([title], index) => [
    title,
    shown(
      imported[index]!.map(({ addedMs, nestMs }) => addedMs / nestMs),
      2,
    ),
    shown(imported[index]!.map(({ addedMs }) => addedMs)),
    shown(imported[index]!.map(({ addedMb }) => addedMb)),
  ]);
  const moreOf = (figure: 'startMs' | 'startElapsedMs'): string =>
    shown(started.discoverable.map((one, round) => one[figure] - started.bare[round]![figure]));
  return [
    `${stack.name}: @nestjs/core with @nestjs/common and reflect-metadata takes ` +
      `${shown(nest.map(({ nestMs }) => nestMs))} ms of processor time, ${shown(nest.map(({ nestMb }) => nestMb))} MB\n`,
    tableOf(['on top of Nest', 'processor time / Nest', 'ms', 'MB'], rows),
    `\nAn app starts in ${shown(started.bare.map(({ startMs }) => startMs))} ms of processor time; with the module in ` +
      `${moreOf('startMs')} ms more, ${moreOf('startElapsedMs')} ms more until it listens`,
  ].join('\n');
}

/** In a process of its own: nothing is loaded but Nest. */
function importOnce(
  { node, folder, loading }: Stack,
  script: string,
  what: Omit<ImportOrder, 'loading'>,
): Promise<Imported> {
  const order: ImportOrder = { loading, ...what };
  const child = fork(join(folder, script), [JSON.stringify(order)], { execPath: node, execArgv: ['--no-warnings'] });
  return answerOf(child, order.names.join(' '));
}

/** The median, with the quartiles in brackets. */
function shown(values: readonly number[], digits = 0): string {
  const { median, lower, upper } = spreadOf(values);
  return `${median.toFixed(digits)} (${lower.toFixed(digits)}–${upper.toFixed(digits)})`;
}

await runCommand('bench:import', read, run);
