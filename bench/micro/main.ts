/** Measures single steps of a call and of a change, without a network: time, and what they allocate. See ../README.md. */
import { fork } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type MeasureOptions } from './measure.js';
import { answerOf } from '../support/child-process.js';
import { type SubjectResult } from './micro-case.js';
import { tablesOf } from './report.js';
import { SUBJECTS } from './subjects.js';

/** Large enough that no collection comes between two looks at the heap. */
const FLAGS = ['--expose-gc', '--min-semi-space-size=64', '--max-semi-space-size=128'];

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    rounds: { type: 'string', default: '15' },
    json: { type: 'string' },
  },
});

/** A process for each: what one of them does to the compiler's view of shared code does not count for the next. */
function measured(subject: string, options: MeasureOptions): Promise<SubjectResult> {
  const script = fileURLToPath(new URL('./subject-process.js', import.meta.url));
  return answerOf<SubjectResult>(fork(script, [subject, JSON.stringify(options)], { execArgv: FLAGS }), `"${subject}"`);
}

const rounds = Number(values.rounds);
if (!Number.isSafeInteger(rounds) || rounds < 1) throw new RangeError('--rounds: expected a whole number of 1 or more');
const { only } = values;
const wanted = [...SUBJECTS.keys()].filter((name) => only?.some((part) => name.includes(part)) ?? true);
if (wanted.length === 0) throw new RangeError(`--only: expected a part of one of ${[...SUBJECTS.keys()].join(', ')}`);

const results: Record<string, SubjectResult> = {};
for (const subject of wanted) {
  const result = await measured(subject, { rounds, turnMs: 10 });
  results[subject] = result;
  console.log(`${tablesOf(subject, result)}\n`);
}
if (values.json !== undefined) {
  const run = { node: process.version, rounds, takenAt: new Date().toISOString(), subjects: results };
  await writeFile(values.json, `${JSON.stringify(run, null, 2)}\n`);
}
