/** The process of one contender, forked by `client-process.ts`: it is set up once, and calls when it is told to. */
import { CATALOG } from '../contenders/catalog.js';
import { type Caller } from '../contenders/contender.js';
import { measureAllocations } from './allocations.js';
import { runLoad, warmUp } from './load.js';
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
      return { type: 'ready' };
    case 'warm-up':
      await warmUp(ready(), question.load, question.cpuMs);
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

function ready(): Caller {
  if (!caller) throw new Error('asked before it was set up');
  return caller;
}
