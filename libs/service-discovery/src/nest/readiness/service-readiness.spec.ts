import { beforeEach, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { type HealthIndicatorResult } from '@nestjs/terminus';
import { ManualClock } from '../../testing/manual-clock.js';
import { reasonsOf, ServiceReadiness } from './service-readiness.js';

let clock: ManualClock;
let readiness: ServiceReadiness;
let changes: number;

beforeEach(() => {
  clock = new ManualClock();
  readiness = new ServiceReadiness(clock);
  changes = 0;
  readiness.onChange(() => changes++);
});

const reasons = async (): Promise<string[]> => reasonsOf(await readiness.check());

describe('the readiness of a process', () => {
  it('is there where nothing is against it', async () => {
    expect(readiness.holdReasons).toEqual([]);
    expect(await readiness.check()).toEqual({ readiness: { status: 'up' } });
  });

  it('is not there until all holds are released, each once', async () => {
    const [first, second] = [readiness.hold('migrations run'), readiness.hold('the cache is cold')];
    expect(await readiness.check()).toEqual({
      readiness: { status: 'down', message: 'migrations run; the cache is cold' },
    });
    first();
    first();
    expect(readiness.holdReasons).toEqual(['the cache is cold']);
    second();
    expect(await reasons()).toEqual([]);
    expect(changes).toBe(4);
  });

  it('counts two holds for one reason as two', () => {
    const [first, second] = [readiness.hold('busy'), readiness.hold('busy')];
    first();
    expect(readiness.holdReasons).toEqual(['busy']);
    second();
    expect(readiness.holdReasons).toEqual([]);
  });

  it('does not come back once the app shuts down', async () => {
    const release = readiness.hold('busy');
    readiness.close();
    readiness.close();
    expect(readiness.isClosed).toBe(true);
    release();
    expect(await reasons()).toEqual(['the app shuts down']);
    expect(changes).toBe(3);
  });

  it('does not notify a listener after it unsubscribed', () => {
    let told = 0;
    const stops = [readiness.onChange(() => stops[1]?.()), readiness.onChange(() => told++)];
    readiness.hold('busy');
    expect(told).toBe(0);
  });
});

describe('a listener of the readiness that fails', () => {
  it('stops neither the others nor the app that ends', () => {
    const logged: unknown[] = [];
    const note = (...args: unknown[]): void => void logged.push(args);
    Logger.overrideLogger({ log: note, error: note, warn: note });
    try {
      const fault = new Error('no such gauge');
      readiness.onChange(() => {
        throw fault;
      });
      let told = 0;
      readiness.onChange(() => told++);
      readiness.close();
      expect([readiness.isClosed, told]).toEqual([true, 1]);
      expect(logged).toEqual([expect.arrayContaining(['A listener of the readiness failed', fault])]);
    } finally {
      Logger.overrideLogger(false);
    }
  });
});

describe('a check of the readiness', () => {
  it('stands with its own name beside the others', async () => {
    readiness.addCheck(() => ({ database: { status: 'up' } }));
    const remove = readiness.addCheck(async () => ({ queue: { status: 'down', message: 'connection lost' } }));
    readiness.addCheck(() => ({ disk: { status: 'degraded' } }));
    expect(await readiness.check()).toEqual({
      readiness: { status: 'up' },
      database: { status: 'up' },
      queue: { status: 'down', message: 'connection lost' },
      disk: { status: 'degraded' },
    });
    expect(await reasons()).toEqual(['queue: connection lost']);
    remove();
    expect(await reasons()).toEqual([]);
  });

  it('counts as down where it fails, and has no message to give', async () => {
    readiness.addCheck(() => ({ queue: { status: 'down' } }));
    readiness.addCheck(() => {
      throw new Error('no driver');
    });
    readiness.addCheck(() => Promise.reject(new Error('refused')));
    expect((await reasons()).sort()).toEqual(['check_2: no driver', 'check_3: refused', 'queue: down']);
  });

  it('is not made while the process is held anyway', async () => {
    let runs = 0;
    readiness.addCheck(() => ({ database: { status: runs++ > 0 ? 'up' : 'down' } }));
    const release = readiness.hold('migrations run');
    expect(await reasons()).toEqual(['migrations run']);
    expect(runs).toBe(0);
    release();
    expect(await reasons()).toEqual(['database: down']);
  });

  it('runs once for concurrent callers, and again for the next', async () => {
    let runs = 0;
    readiness.addCheck(async () => ({ database: { status: runs++ > 0 ? 'up' : 'down' } }));
    expect(await Promise.all([reasons(), reasons()])).toEqual([['database: down'], ['database: down']]);
    expect(runs).toBe(1);
    expect(await reasons()).toEqual([]);
  });

  it('that hangs is down in 5 s, and leaves no timer', async () => {
    readiness.addCheck(() => new Promise(() => undefined));
    readiness.addCheck(() => ({ database: { status: 'up' } }));
    const asked = readiness.check();
    await clock.advanceAsync(4_999);
    expect(clock.pendingTimers).toBe(1);
    await clock.advanceAsync(1);
    expect(await asked).toEqual({
      readiness: { status: 'up' },
      database: { status: 'up' },
      checks: { status: 'down', message: 'not every check has answered within 5 s' },
    });
    expect(clock.pendingTimers).toBe(0);
  });

  it('that hangs is shared by later callers, and runs again after it has ended', async () => {
    let runs = 0;
    let answer: (result: HealthIndicatorResult) => void = () => undefined;
    readiness.addCheck(() => {
      runs++;
      return new Promise((resolve) => (answer = resolve));
    });
    for (let asked = 0; asked < 3; asked++) {
      const hung = reasons();
      await clock.advanceAsync(5_000);
      expect(await hung).toHaveLength(1);
    }
    expect(runs).toBe(1);
    const last = reasons();
    answer({ database: { status: 'up' } });
    expect(await last).toEqual([]);
    void reasons();
    expect(runs).toBe(2);
    await clock.advanceAsync(5_000);
  });

  it('that goes well while a hold comes up does not hide the hold', async () => {
    let answer: () => void = () => undefined;
    readiness.addCheck(async () => {
      await new Promise<void>((resolve) => (answer = resolve));
      return { database: { status: 'up' } };
    });
    const asked = reasons();
    readiness.hold('overloaded');
    answer();
    expect(await asked).toEqual(['overloaded']);
  });
});
