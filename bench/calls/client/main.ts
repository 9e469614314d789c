/** The process of one contender, forked by `client-process.ts`: sets up once, then makes calls on request. */
import { deepStrictEqual } from 'node:assert';
import { CATALOG } from '../contenders/catalog.js';
import { type Caller } from '../contenders/contender.js';
import { bodyOf } from '../servers/answers.js';
import { measureAllocations } from './allocations.js';
import { requestsOf, runLoad, warmUp } from './load.js';
import { type Answer, type Question } from './messages.js';
import { profileCalls } from './profile.js';

let caller: Caller | undefined;

process.on('message', (question: Question) => {
  void answer(question)
    .catch((error: unknown): Answer => ({ type: 'failed', message: String(error) }))
    .then((message) => process.send?.(message));
});
process.on('disconnect', () => process.exit());

async function answer(question: Question): Promise<Answer> {
  switch (question.type) {
    case 'set-up':
      caller = await (await CATALOG[question.contender].load()).setup(question.target);
      await checkAnswers(caller);
      return { type: 'ready' };
    case 'warm-up':
      await warmUp(ready(), question.load, question.least);
      return { type: 'ready' };
    case 'round':
      return { type: 'figures', figures: await runLoad(ready(), question.load, question.times) };
    case 'allocations': {
      const { load, times } = question;
      return { type: 'allocations', bytesPerCall: await measureAllocations(ready(), load, times) };
    }
    case 'profile':
      return { type: 'profile', functions: await profileCalls(ready(), question.load, question.windowMs) };
  }
}

/** Makes sure that a contender is not fast because it does something else. */
async function checkAnswers(caller: Caller): Promise<void> {
  for (const bytes of [200, 10_240]) {
    for (const method of ['GET', 'POST'] as const) {
      const [request] = requestsOf({ concurrency: 1, bytes, method });
      deepStrictEqual(await caller.call(request!), bodyOf(bytes));
    }
  }
}

function ready(): Caller {
  if (!caller) throw new Error('asked before it was set up');
  return caller;
}
