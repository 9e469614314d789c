/** Measures single steps of a call and of a change, without a network: time and allocations. See ../README.md. */
import { fork } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type MeasureOptions } from './measure.js';
import { answerOf } from '../support/child-process.js';
import { countOf, runCommand } from '../support/command-line.js';
import { type SubjectResult } from './micro-case.js';
import { tablesOf } from './report.js';
import { SUBJECTS } from './subjects.js';

/** Large enough to avoid a collection between two heap measurements. */
const FLAGS = ['--expose-gc', '--min-semi-space-size=64', '--max-semi-space-size=128'];

/** A process per subject: its effect on the optimization of shared code must not carry over to the next. */
function measured(subject: string, options: MeasureOptions): Promise<SubjectResult> {
  const script = fileURLToPath(new URL('./subject-process.js', import.meta.url));
  return answerOf<SubjectResult>(fork(script, [subject, JSON.stringify(options)], { execArgv: FLAGS }), `"${subject}"`);
}

interface Request {
  readonly subjects: readonly string[];
  readonly rounds: number;
  /** Output file for all measurements; undefined: none. */
  readonly json: string | undefined;
}

function read(args: string[]): Request {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: 'string', multiple: true },
      rounds: { type: 'string', default: '15' },
      json: { type: 'string' },
    },
  });
  const { only, json } = values;
  const subjects = [...SUBJECTS.keys()].filter((name) => only?.some((part) => name.includes(part)) ?? true);
  if (subjects.length === 0)
    throw new RangeError(`--only: expected a part of one of ${[...SUBJECTS.keys()].join(', ')}`);
  return { subjects, rounds: countOf('rounds', values.rounds), json };
}

async function run({ subjects, rounds, json }: Request): Promise<void> {
  const results: Record<string, SubjectResult> = {};
  for (const subject of subjects) {
    const result = await measured(subject, { rounds, turnMs: 10 });
    results[subject] = result;
    console.log(`${tablesOf(subject, result)}\n`);
  }
  if (json === undefined) return;
  const written = { node: process.version, rounds, takenAt: new Date().toISOString(), subjects: results };
  await writeFile(json, `${JSON.stringify(written, null, 2)}\n`);
}

await runCommand('bench:micro', read, run);
