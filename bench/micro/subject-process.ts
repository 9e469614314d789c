/** Measures one subject, and reports to the parent process. Forked by `main.ts` with `--expose-gc`. */
import { measure, type MeasureOptions } from './measure.js';
import { type SubjectResult } from './micro-case.js';
import { SUBJECTS } from './subjects.js';

const [name = '', options = ''] = process.argv.slice(2);
const subject = await SUBJECTS.get(name)?.();
if (!subject) throw new RangeError(`There is no subject ${JSON.stringify(name)}`);
const result: SubjectResult = {
  measurements: await measure(subject.cases, JSON.parse(options) as MeasureOptions),
  holdings: (await subject.holdings?.()) ?? [],
};
process.send?.(result);
await subject.close?.();
process.disconnect();
