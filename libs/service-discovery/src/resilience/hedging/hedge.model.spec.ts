import { getEventListeners } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { modelRuns } from '../../../../../test/support/model-runs.js';
import { AttemptTimeoutError, onAbort } from '../../common/index.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { hedge } from './hedge.js';

type Outcome = 'worthy' | 'unworthy' | 'fails' | 'times out' | 'is final';

interface AttemptPlan {
  readonly ms: number;
  readonly outcome: Outcome;
  /** Takes no notice of an abort. */
  readonly deaf: boolean;
}

interface Plan {
  readonly attempts: readonly AttemptPlan[];
  readonly delayMs: number | undefined;
  readonly maxHedges: number;
  /** How often a hedge is allowed. */
  readonly allowed: number;
  readonly abortMs: number;
}

/** All that can be seen of a race. */
interface Seen {
  readonly sentAt: number[];
  readonly end: string;
  readonly endedAt: number;
  readonly abortedAttempts: number[];
  readonly recorded: number[];
  readonly discarded: string[];
}

const MOST_ATTEMPTS = 6;
const NEVER = 100_000;

// Attempts start at whole tens, number n ends n + 1 ms after one and the caller leaves 7 ms after one: no two at once.
const tens = (max: number): fc.Arbitrary<number> => fc.integer({ min: 0, max }).map((ten) => ten * 10);
const attempt: fc.Arbitrary<AttemptPlan> = fc.record({
  ms: fc.oneof({ weight: 5, arbitrary: tens(40) }, { weight: 1, arbitrary: fc.constant(NEVER) }),
  outcome: fc.constantFrom<Outcome>('worthy', 'unworthy', 'fails', 'times out', 'is final', 'fails'),
  deaf: fc.boolean(),
});
const plan: fc.Arbitrary<Plan> = fc.record({
  attempts: fc
    .array(attempt, { minLength: MOST_ATTEMPTS, maxLength: MOST_ATTEMPTS })
    .map((all) => all.map((each, number) => ({ ...each, ms: each.ms + number + 1 }))),
  delayMs: fc.option(tens(12), { nil: undefined, freq: 9 }),
  maxHedges: fc.integer({ min: 1, max: MOST_ATTEMPTS - 1 }),
  allowed: fc.integer({ min: 0, max: MOST_ATTEMPTS }),
  abortMs: fc.oneof(
    { weight: 1, arbitrary: tens(60).map((ms) => ms + 7) },
    { weight: 2, arbitrary: fc.constant(NEVER - 1) },
  ),
});

/** Walks through the race moment by moment. */
function foresee({ attempts, delayMs, maxHedges, allowed, abortMs }: Plan): Seen {
  const [recorded, discarded, sentAt]: [number[], string[], number[]] = [[], [], [0]];
  const running = new Set([0]);
  let hedgeAt = delayMs ?? Infinity;
  let held: string | undefined;
  const endOf = (number: number): number => (sentAt[number] ?? 0) + (attempts[number]?.ms ?? 0);

  const over = (end: string, now: number): Seen => {
    const late = [...running].filter((number) => attempts[number]?.deaf).sort((a, b) => endOf(a) - endOf(b));
    for (const number of late) if (isAnswer(attempts[number])) discarded.push(`${number}`);
    if (running.has(0) && delayMs !== undefined && now >= delayMs) recorded.push(now);
    return { sentAt, end, endedAt: now, abortedAttempts: [...running], recorded, discarded };
  };

  for (;;) {
    const now = Math.min(hedgeAt, abortMs, ...[...running].map(endOf));
    if (now === hedgeAt) {
      hedgeAt = Infinity;
      if (sentAt.length <= allowed) {
        running.add(sentAt.length);
        sentAt.push(now);
        if (sentAt.length <= maxHedges) hedgeAt = now + (delayMs ?? 0);
      }
      continue;
    }
    if (now === abortMs) {
      if (held !== undefined) discarded.push(held);
      return over('gone', now);
    }
    const ended = [...running].find((number) => endOf(number) === now);
    const { outcome } = attempts[ended ?? 0] ?? { outcome: 'fails' };
    if (ended === undefined) continue;
    running.delete(ended);
    if (ended === 0 && outcome !== 'fails' && outcome !== 'unworthy') recorded.push(now);
    if (outcome === 'worthy' || outcome === 'is final') {
      if (held !== undefined) discarded.push(held);
      return over(`${outcome} ${ended}`, now);
    }
    if (running.size === 0) {
      if (held !== undefined) discarded.push(held);
      return over(`${outcome} ${ended}`, now);
    }
    if (held !== undefined) discarded.push(held);
    held = outcome === 'unworthy' ? `${ended}` : undefined;
  }
}

function isAnswer(attempt: AttemptPlan | undefined): boolean {
  return attempt?.outcome === 'worthy' || attempt?.outcome === 'unworthy';
}

/** Lets the race take place. */
async function race({ attempts, delayMs, maxHedges, allowed, abortMs }: Plan): Promise<Seen & { leaks: number }> {
  const clock = new ManualClock();
  const caller = new AbortController();
  const [recorded, discarded, sentAt]: [number[], string[], number[]] = [[], [], []];
  const signals: AbortSignal[] = [];
  let permits = allowed;

  const run = (signal: AbortSignal, number: number): Promise<string> => {
    const { ms, outcome, deaf } = attempts[number] ?? { ms: 0, outcome: 'fails', deaf: false };
    sentAt.push(clock.now());
    signals.push(signal);
    return new Promise((resolve, reject) => {
      const timer = clock.setTimer(() => {
        if (outcome === 'times out')
          reject(Object.assign(new AttemptTimeoutError(ms), { message: `${outcome} ${number}` }));
        else if (outcome === 'fails' || outcome === 'is final') reject(new Error(`${outcome} ${number}`));
        else resolve(`${outcome} ${number}`);
      }, ms);
      if (deaf) return;
      onAbort(signal, () => {
        timer.cancel();
        reject(signal.reason as Error);
      });
    });
  };
  clock.setTimer(() => caller.abort(new Error('gone')), abortMs);
  let endedAt = Number.NaN;
  const end = hedge(run, {
    clock,
    signal: caller.signal,
    delay: { currentMs: delayMs, record: (ms) => void recorded.push(ms) },
    maxHedges,
    mayHedge: () => permits-- > 0,
    isWorthy: (answer) => answer.startsWith('worthy'),
    isFinal: (error) => (error as Error).message.startsWith('is final'),
    discard: (answer) => void discarded.push(answer.split(' ')[1] ?? ''),
  }).then(
    (answer) => ((endedAt = clock.now()), answer),
    (error: Error) => ((endedAt = clock.now()), error.message),
  );
  await clock.advanceAsync(abortMs);
  const listeners = getEventListeners(caller.signal, 'abort').length;
  const abortedAttempts = signals.flatMap((signal, number) => (signal.aborted ? [number] : []));
  await clock.advanceAsync(2 * NEVER);
  const leaks = listeners + clock.pendingTimers;
  return { sentAt, end: await end, endedAt, abortedAttempts, recorded, discarded, leaks };
}

describe('hedge', () => {
  it('behaves like its model for random attempts, and leaks neither timers nor listeners', async () => {
    const property = fc.asyncProperty(plan, async (each) => {
      expect(await race(each)).toEqual({ ...foresee(each), leaks: 0 });
    });
    await fc.assert(property, modelRuns('hedging', 1_000));
  }, 60_000);
});
