import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { AttemptTimeoutError, ServiceDiscoveryError } from '../../common/index.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { hedge, type HedgeOptions, mayHedge } from './hedge.js';
import { RetryBudget } from '../retry/retry-budget.js';

interface Attempt {
  readonly signal: AbortSignal;
  answer(value: string): Promise<void>;
  fail(error: Error): Promise<void>;
}

describe('hedge', () => {
  let clock: ManualClock;
  let caller: AbortController;
  let attempts: Attempt[];
  let recorded: number[];
  let discarded: string[];
  let delayMs: number | undefined;
  /** Of the attempts, as `run` was told them. */
  let numbers: number[];

  const start = (more: Partial<HedgeOptions<string>> = {}): Promise<string> => {
    const run = (signal: AbortSignal, number: number): Promise<string> => {
      numbers.push(number);
      return new Promise((resolve, reject) => {
        attempts.push({
          signal,
          answer: (value) => (resolve(value), clock.advanceAsync(0)),
          fail: (error) => (reject(error), clock.advanceAsync(0)),
        });
      });
    };
    const race = hedge(run, {
      clock,
      signal: caller.signal,
      delay: {
        get currentMs() {
          return delayMs;
        },
        record: (ms) => void recorded.push(ms),
      },
      maxHedges: 1,
      mayHedge: () => true,
      discard: (answer) => void discarded.push(answer),
      ...more,
    });
    race.catch(() => undefined);
    return race;
  };
  const attempt = (number: number): Attempt => {
    const found = attempts[number];
    if (!found) throw new Error(`There is no attempt ${number}`);
    return found;
  };

  beforeEach(() => {
    clock = new ManualClock();
    caller = new AbortController();
    [attempts, numbers, recorded, discarded, delayMs] = [[], [], [], [], 50];
  });

  afterEach(() => {
    expect(clock.pendingTimers).toBe(0);
    expect(getEventListeners(caller.signal, 'abort')).toHaveLength(0);
  });

  it('sends a single attempt when it is answered within the delay', async () => {
    const race = start();
    await clock.advanceAsync(49);
    await attempt(0).answer('first');
    await expect(race).resolves.toBe('first');
    await clock.advanceAsync(1_000);
    expect([attempts.length, recorded]).toEqual([1, [49]]);
  });

  it('sends another one beside it after the delay, and takes the first answer', async () => {
    const race = start();
    await clock.advanceAsync(49);
    expect(attempts).toHaveLength(1);
    await clock.advanceAsync(11);
    expect(attempts).toHaveLength(2);
    await attempt(1).answer('second');
    await expect(race).resolves.toBe('second');
  });

  it('aborts the losers, and not the winner', async () => {
    const race = start({ maxHedges: 2 });
    await clock.advanceAsync(100);
    await attempt(1).answer('second');
    await race;
    expect(attempts.map(({ signal }) => signal.aborted)).toEqual([true, false, true]);
    expect(attempt(0).signal.reason).toBeInstanceOf(ServiceDiscoveryError);
    expect(attempt(0).signal.reason).toMatchObject({ code: 'ABORTED' });
    caller.abort();
    expect(attempt(1).signal.aborted).toBe(false);
  });

  it('sends each further hedge a delay later, and no more than are allowed', async () => {
    const race = start({ maxHedges: 3 });
    const sent: number[] = [];
    for (let step = 0; step < 6; step++) {
      await clock.advanceAsync(50);
      sent.push(attempts.length);
    }
    expect(sent).toEqual([2, 3, 4, 4, 4, 4]);
    expect(numbers).toEqual([0, 1, 2, 3]);
    await attempt(3).answer('last');
    await expect(race).resolves.toBe('last');
  });

  it('goes by one delay for the whole race', async () => {
    const race = start({ maxHedges: 2 });
    delayMs = 5_000;
    await clock.advanceAsync(100);
    expect(attempts).toHaveLength(3);
    await attempt(0).answer('first');
    await race;
  });

  it('sends no hedge while the delay is unknown', async () => {
    delayMs = undefined;
    const race = start();
    await clock.advanceAsync(3_600_000);
    expect([attempts.length, clock.pendingTimers]).toEqual([1, 0]);
    await attempt(0).answer('late');
    await expect(race).resolves.toBe('late');
    expect(recorded).toEqual([3_600_000]);
  });

  it('asks once whether it may, and not again after a no', async () => {
    let asked = 0;
    const race = start({ maxHedges: 3, mayHedge: () => ++asked > 1 });
    await clock.advanceAsync(1_000);
    expect([asked, attempts.length]).toEqual([1, 1]);
    await attempt(0).answer('first');
    await race;
  });

  it('leaves a failure before the delay to the retries', async () => {
    const race = start();
    await attempt(0).fail(new Error('down'));
    await expect(race).rejects.toThrow('down');
    await clock.advanceAsync(1_000);
    expect([attempts.length, recorded]).toEqual([1, []]);
  });

  it('does not end with a failure while another attempt runs', async () => {
    const race = start();
    await clock.advanceAsync(50);
    await attempt(0).fail(new Error('down'));
    await attempt(1).answer('second');
    await expect(race).resolves.toBe('second');
    const other = start();
    await clock.advanceAsync(50);
    await attempt(3).fail(new Error('down'));
    await attempt(2).answer('first');
    await expect(other).resolves.toBe('first');
  });

  it('goes on hedging when a hedge fails', async () => {
    const race = start({ maxHedges: 2 });
    await clock.advanceAsync(50);
    await attempt(1).fail(new Error('down'));
    await clock.advanceAsync(50);
    expect(attempts).toHaveLength(3);
    await attempt(2).answer('third');
    await expect(race).resolves.toBe('third');
  });

  it('ends with the last failure when all failed, though a hedge was still due', async () => {
    const race = start({ maxHedges: 2 });
    await clock.advanceAsync(50);
    await attempt(1).fail(new Error('hedge down'));
    await attempt(0).fail(new Error('first down'));
    await expect(race).rejects.toThrow('first down');
    expect(attempts).toHaveLength(2);
  });

  it('treats an unworthy answer as a failure, and returns it when there is no better one', async () => {
    const isWorthy = (answer: string): boolean => answer !== '503';
    const race = start({ isWorthy });
    await clock.advanceAsync(50);
    await attempt(0).answer('503');
    await attempt(1).answer('200');
    await expect(race).resolves.toBe('200');
    expect(discarded).toEqual(['503']);
    const poor = start({ isWorthy });
    await clock.advanceAsync(50);
    await attempt(2).fail(new Error('down'));
    await attempt(3).answer('503');
    await expect(poor).resolves.toBe('503');
    expect(discarded).toEqual(['503']);
  });

  it('ends at an error that is an answer as well', async () => {
    const race = start({ isFinal: (error) => (error as Error).message === '404' });
    await clock.advanceAsync(50);
    await attempt(1).fail(new Error('404'));
    await expect(race).rejects.toThrow('404');
    expect(attempt(0).signal.aborted).toBe(true);
  });

  it('fails with the error that isWorthy throws', async () => {
    const race = start({
      isWorthy: () => {
        throw new Error('no judge');
      },
    });
    await attempt(0).answer('first');
    await expect(race).rejects.toThrow('no judge');
  });

  it("fails with an attempt's synchronous error", async () => {
    const run = (): never => {
      throw new Error('at once');
    };
    const { signal } = caller;
    const delay = { currentMs: 50, record: () => undefined };
    await expect(hedge(run, { clock, signal, delay, maxHedges: 1, mayHedge: () => true })).rejects.toThrow('at once');
  });

  it('discards late answers, and ignores failures after the end', async () => {
    const race = start({ maxHedges: 2 });
    await clock.advanceAsync(100);
    await attempt(2).answer('third');
    await expect(race).resolves.toBe('third');
    await attempt(1).answer('second');
    await attempt(0).fail(new Error('aborted'));
    expect(discarded).toEqual(['second']);
  });

  describe('when the caller aborts', () => {
    const gone = new Error('gone');

    it('ends at once with the reason, and aborts every attempt with it', async () => {
      const race = start({ maxHedges: 2 });
      await clock.advanceAsync(60);
      caller.abort(gone);
      expect(attempts.map(({ signal }) => signal.reason as unknown)).toEqual([gone, gone]);
      await expect(race).rejects.toBe(gone);
      await clock.advanceAsync(1_000);
      expect(attempts).toHaveLength(2);
    });

    it('lets go of the poor answer that it held', async () => {
      const race = start({ isWorthy: () => false });
      await clock.advanceAsync(50);
      await attempt(0).answer('503');
      caller.abort(gone);
      await expect(race).rejects.toBe(gone);
      expect(discarded).toEqual(['503']);
    });

    it('sends nothing when the signal has already aborted', async () => {
      const signal = AbortSignal.abort(gone);
      await expect(start({ signal })).rejects.toBe(gone);
      expect(attempts).toHaveLength(0);
    });

    it('sends nothing more when an attempt aborts the signal', async () => {
      const signal = caller.signal;
      const delay = { currentMs: 50, record: () => undefined };
      const run = (): Promise<string> => {
        caller.abort(gone);
        return new Promise(() => undefined);
      };
      await expect(hedge(run, { clock, signal, delay, maxHedges: 1, mayHedge: () => true })).rejects.toBe(gone);
    });
  });

  describe('records the latency of first attempts', () => {
    it('also of one that is outrun, for as long as it ran', async () => {
      const race = start();
      await clock.advanceAsync(60);
      await attempt(1).answer('second');
      await race;
      expect(recorded).toEqual([60]);
    });

    it('but not of hedges, since only fast ones would be known', async () => {
      const race = start();
      await clock.advanceAsync(80);
      await attempt(0).answer('first');
      await race;
      expect(recorded).toEqual([80]);
    });

    it('also of one that timed out, and of none that failed otherwise', async () => {
      const timedOut = start();
      await clock.advanceAsync(40);
      await attempt(0).fail(new AttemptTimeoutError(40));
      await expect(timedOut).rejects.toThrow('40 ms');
      expect(recorded).toEqual([40]);
      const failed = start();
      await attempt(1).fail(new Error('down'));
      await expect(failed).rejects.toThrow('down');
      expect(recorded).toEqual([40]);
    });

    it('of an abandoned attempt only if it was slow by then', async () => {
      const early = start();
      await clock.advanceAsync(20);
      caller.abort();
      await expect(early).rejects.toThrow();
      expect(recorded).toEqual([]);
      caller = new AbortController();
      const late = start();
      await clock.advanceAsync(70);
      caller.abort();
      await expect(late).rejects.toThrow();
      expect(recorded).toEqual([70]);
    });
  });
});

describe('mayHedge', () => {
  const chance = {
    call: { idempotent: true, replayable: true },
    attempts: 1,
    maxAttempts: 3,
    anotherInstance: true,
  } as const;

  it('allows a hedge of a repeatable call, to another instance, within maxAttempts', () => {
    expect(mayHedge(chance)).toBe(true);
    expect(mayHedge({ ...chance, attempts: 2 })).toBe(true);
  });

  it('takes it from the budget, and nothing for a hedge that is not sent', () => {
    const budget = new RetryBudget({ ratio: 0, minPerSecond: 1, window: '1s' }, { clock: new ManualClock() });
    const refused = [
      { call: { idempotent: false, replayable: true } },
      { call: { idempotent: true, replayable: false } },
      { attempts: 3 },
      { anotherInstance: false },
    ];
    for (const more of refused) expect(mayHedge({ ...chance, budget, ...more })).toBe(false);
    expect([mayHedge({ ...chance, budget }), mayHedge({ ...chance, budget })]).toEqual([true, false]);
  });
});
