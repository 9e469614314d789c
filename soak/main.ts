/**
 * Makes a million calls of all kinds, and checks that nothing is left of them. `npm run soak -- --calls 100000 --seed
 * 7`
 */
import { parseArgs } from 'node:util';
import { canCollect } from './heap.js';
import { soak, type SoakResult } from './soak.js';

/** Heap growth without a leak; a million calls that leak 8 bytes each exceed it. */
const HEAP_TOLERANCE_MB = 4;

const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '1000000' },
    concurrency: { type: 'string', default: '256' },
    seed: { type: 'string', default: '1' },
  },
});

function wholeNumber(name: keyof typeof values): number {
  const number = Number(values[name]);
  if (Number.isSafeInteger(number) && number >= 1) return number;
  throw new RangeError(`--${name}: expected a whole number of 1 or more, but got ${JSON.stringify(values[name])}`);
}

function print({ calls, seconds, sent, endings, events, heapBeforeMb, heapAfterMb, leaks }: SoakResult): void {
  const number = (value: number): string => value.toLocaleString('en-US');
  const list = (counts: ReadonlyMap<string, number>): string =>
    [...counts]
      .sort(([, a], [, b]) => b - a)
      .map(([name, times]) => `  ${number(times).padStart(11)}  ${name}`)
      .join('\n');
  console.log(`${number(calls)} calls in ${seconds.toFixed(1)} s (${number(Math.round(calls / seconds))}/s)`);
  console.log(`${number(sent)} requests sent\n\nendings\n${list(endings)}\n\nevents\n${list(events)}\n`);
  console.log(`heap before   ${heapBeforeMb.toFixed(2)} MB`);
  console.log(`heap after    ${heapAfterMb.toFixed(2)} MB`);
  console.log('left behind  ', leaks);
}

const concurrency = wholeNumber('concurrency');
const result = await soak({ calls: wholeNumber('calls'), concurrency, warmUp: 50_000, seed: wholeNumber('seed') });
print(result);
const grownMb = result.heapAfterMb - result.heapBeforeMb;
const hasGrown = canCollect() && grownMb > HEAP_TOLERANCE_MB;
const leaks = Object.entries(result.leaks).filter(([, left]) => left !== 0);
const strange = [...result.endings.keys()].filter((ending) => ending.startsWith('unexpected'));
if (hasGrown || leaks.length > 0 || strange.length > 0) {
  console.error(`\nFailed: ${[...leaks.map(([what]) => what), ...strange, ...(hasGrown ? ['heap'] : [])].join(', ')}`);
  process.exitCode = 1;
} else console.log(`\nNothing is left behind, and the heap grew by ${grownMb.toFixed(2)} MB.`);
