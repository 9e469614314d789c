import { beforeEach, describe, expect, it } from '@jest/globals';
import { type OutcomeClass } from '../../common/index.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { type OutlierDetectionOptions } from './outlier-detection-options.js';
import { type Ejection, OutlierDetector, reportOutliers } from './outlier-detector.js';

const INTERVAL = 10_000;
/** Each rule is tried alone. */
const OFF = { consecutiveFailures: false, successRate: false, failurePercentage: false, latency: false } as const;
const names = (count: number): string[] => Array.from({ length: count }, (_, index) => (index + 10).toString(36));

describe('OutlierDetector', () => {
  let clock: ManualClock;
  let detector: OutlierDetector;
  let ejections: Ejection[];
  let readmitted: string[];

  const create = (options: Partial<OutlierDetectionOptions>, instances: readonly string[], random = () => 0): void => {
    ejections = [];
    readmitted = [];
    detector = new OutlierDetector(options, {
      clock,
      random,
      onEject: (ejection) => ejections.push(ejection),
      onReadmit: (id) => readmitted.push(id),
    });
    detector.retain(instances);
  };
  const tell = (id: string, outcome: OutcomeClass, times = 1, latencyMs = 0): void => {
    for (let call = 0; call < times; call++) detector.record(id, outcome, latencyMs);
  };
  const calls = (id: string, succeeded: number, failed: number): void => {
    tell(id, 'success', succeeded);
    tell(id, 'failure', failed);
  };
  const ejected = (): string[] => [...detector.ejected].sort();

  beforeEach(() => {
    clock = new ManualClock();
  });

  describe('by failures in a row', () => {
    beforeEach(() => create({ ...OFF, consecutiveFailures: 3 }, names(4)));

    it('ejects an instance at once, with the last of them', () => {
      tell('a', 'failure', 2);
      expect(detector.isEjected('a')).toBe(false);
      tell('a', 'retryable');
      expect(detector.isEjected('a')).toBe(true);
      expect(ejections).toEqual([
        {
          instanceId: 'a',
          reason: 'consecutive_failures',
          evidence: '3 failures in a row',
          ejectedForMs: 30_000,
          ejections: 1,
        },
      ]);
    });

    it('starts over after a success, and skips ignored outcomes', () => {
      tell('a', 'failure', 2);
      tell('a', 'success');
      tell('a', 'failure', 2);
      tell('a', 'ignored', 10);
      expect(ejected()).toEqual([]);
      tell('a', 'failure');
      expect(ejected()).toEqual(['a']);
    });

    it('does not count failures that are older than the longest ejection', () => {
      tell('a', 'failure', 2);
      clock.advance(300_000);
      tell('a', 'failure');
      expect([ejected(), detector.explain('a').failuresInRow]).toEqual([[], 1]);
    });
  });

  describe('by success rate', () => {
    const rule = { ...OFF, successRate: {} };

    it('ejects an instance that succeeds less often than the others, at the end of the interval', () => {
      create(rule, names(5));
      for (const id of names(4)) calls(id, 99, 1);
      calls('e', 80, 20);
      clock.advance(INTERVAL - 1);
      expect(ejected()).toEqual([]);
      clock.advance(1);
      expect(ejected()).toEqual(['e']);
      expect(ejections).toMatchObject([
        { reason: 'success_rate', evidence: "80% of 100 calls succeeded, of the others' 99%" },
      ]);
    });

    it('finds one of three, which deviations from the mean of all never do', () => {
      create(rule, names(3));
      calls('a', 100, 0);
      calls('b', 100, 0);
      calls('c', 50, 50);
      clock.advance(INTERVAL);
      expect(ejected()).toEqual(['c']);
    });

    it('finds several that fail alike', () => {
      create({ ...rule, maxEjectedShare: 0.5 }, names(7));
      for (const id of names(5)) calls(id, 100, 0);
      calls('f', 50, 50);
      calls('g', 52, 48);
      clock.advance(INTERVAL);
      expect(ejected()).toEqual(['f', 'g']);
    });

    it('ejects none while all fail alike', () => {
      create(rule, names(5));
      for (const [index, id] of names(5).entries()) calls(id, 50 + index, 50 - index);
      clock.advance(INTERVAL);
      expect(ejected()).toEqual([]);
    });

    it('takes no small difference for one, however many calls it is seen in', () => {
      create(rule, names(5));
      for (const id of names(4)) calls(id, 10_000, 0);
      calls('e', 9_600, 400);
      clock.advance(INTERVAL);
      expect(ejected()).toEqual([]);
    });

    it('ejects no instance for a difference that a few calls show by chance', () => {
      create(rule, names(4));
      for (const id of names(3)) calls(id, 20, 0);
      calls('d', 18, 2);
      clock.advance(INTERVAL);
      expect(ejected()).toEqual([]);
      for (const id of names(3)) calls(id, 200, 0);
      calls('d', 180, 20);
      clock.advance(INTERVAL);
      expect(ejected()).toEqual(['d']);
    });

    it('requires a larger difference when the others differ, too', () => {
      create(rule, names(6));
      for (const [index, id] of names(5).entries()) calls(id, 1_000 - index * 75, index * 75);
      calls('f', 650, 350);
      clock.advance(INTERVAL);
      expect(ejected()).toEqual([]);
      create(rule, names(6));
      for (const [index, id] of names(5).entries()) calls(id, 1_000 - index * 75, index * 75);
      calls('f', 500, 500);
      clock.advance(INTERVAL);
      expect(ejected()).toEqual(['f']);
    });

    it('compares no fewer than minimumInstances with enough calls', () => {
      create({ ...rule, successRate: { minimumInstances: 3, minimumCalls: 50 } }, names(4));
      calls('a', 50, 0);
      calls('b', 49, 0);
      calls('c', 10, 40);
      clock.advance(INTERVAL);
      expect(ejected()).toEqual([]);
      calls('a', 50, 0);
      calls('b', 50, 0);
      calls('c', 10, 40);
      calls('d', 0, 49);
      clock.advance(INTERVAL);
      expect(ejected()).toEqual(['c']);
    });
  });

  describe('by failure percentage', () => {
    it('ejects instances that reach it, the worst first when not all may be ejected', () => {
      create({ ...OFF, failurePercentage: { threshold: 60 } }, names(4));
      calls('a', 100, 0);
      calls('b', 40, 60);
      calls('c', 20, 80);
      calls('d', 41, 59);
      clock.advance(INTERVAL);
      expect(ejected()).toEqual(['c']);
      expect(ejections).toMatchObject([{ reason: 'failure_percentage', evidence: '80% of 100 calls failed' }]);
      create({ ...OFF, failurePercentage: { threshold: 60 }, maxEjectedShare: 0.8 }, names(4));
      calls('a', 100, 0);
      calls('b', 40, 60);
      calls('c', 20, 80);
      calls('d', 41, 59);
      clock.advance(INTERVAL);
      expect(ejected()).toEqual(['b', 'c']);
      expect(ejections.map(({ instanceId }) => instanceId)).toEqual(['c', 'b']);
    });
  });

  describe('by latency', () => {
    const answer = (id: string, ...latencies: number[]): void => {
      for (let call = 0; call < 30; call++) tell(id, 'success', 1, latencies[call % latencies.length]);
    };
    beforeEach(() => clock.advance(3_600_000));

    it('ejects an instance that is several times as slow as the others', () => {
      create({ ...OFF, latency: {} }, names(4));
      answer('a', 90);
      answer('b', 100);
      answer('c', 110);
      answer('d', 299);
      clock.advance(INTERVAL);
      expect(ejected()).toEqual([]);
      for (const id of names(3)) answer(id, 100);
      answer('d', 300);
      clock.advance(INTERVAL);
      expect(ejected()).toEqual(['d']);
      expect(ejections).toMatchObject([{ reason: 'latency', evidence: 'latency of 300 ms, of the others 100 ms' }]);
    });

    it('ignores a difference of a few milliseconds', () => {
      create({ ...OFF, latency: {} }, names(3));
      answer('a', 1);
      answer('b', 1);
      answer('c', 50);
      clock.advance(INTERVAL);
      expect(ejected()).toEqual([]);
      answer('a', 1);
      answer('b', 1);
      answer('c', 51);
      clock.advance(INTERVAL);
      expect(ejected()).toEqual(['c']);
    });

    it('goes by the quantile asked for', () => {
      const sometimesSlow = (latency: object): string[] => {
        create({ ...OFF, latency }, names(3));
        answer('a', 10);
        answer('b', 10);
        answer('c', 10, 10, 10, 10, 500);
        clock.advance(INTERVAL);
        return ejected();
      };
      expect(sometimesSlow({})).toEqual([]);
      expect(sometimesSlow({ quantile: 0.8 })).toEqual([]);
      expect(sometimesSlow({ quantile: 0.81 })).toEqual(['c']);
    });

    it('goes by the latest hundred answers, and by no failures', () => {
      create({ ...OFF, latency: { quantile: 0.99 } }, names(3));
      for (const id of names(2)) answer(id, 10);
      tell('c', 'success', 50, 900);
      tell('c', 'failure', 500, 900);
      tell('c', 'success', 100, 10);
      clock.advance(INTERVAL);
      expect(ejected()).toEqual([]);
      for (const id of names(2)) answer(id, 10);
      tell('c', 'success', 19, 900);
      tell('c', 'failure', 100, 900);
      clock.advance(INTERVAL);
      expect(ejected()).toEqual([]);
    });
  });

  describe('an interval', () => {
    beforeEach(() => create({ ...OFF, failurePercentage: {} }, names(3)));

    it('is judged by the calls within it alone', () => {
      calls('a', 0, 15);
      calls('b', 15, 0);
      clock.advance(INTERVAL);
      calls('a', 0, 15);
      calls('b', 15, 0);
      clock.advance(INTERVAL);
      expect(ejected()).toEqual([]);
    });

    it('is judged by the next call, however few there are', () => {
      calls('a', 0, 20);
      calls('b', 20, 0);
      clock.advance(2 * INTERVAL - 1);
      tell('c', 'success');
      expect(ejections).toMatchObject([{ instanceId: 'a' }]);
    });

    it('is not judged after an idle hour', () => {
      calls('a', 0, 20);
      calls('b', 20, 0);
      clock.advance(3_600_000);
      expect(ejected()).toEqual([]);
      expect(detector.explain('a').calls).toBe(0);
    });
  });

  describe('how many', () => {
    const ejectAll = (count: number, share?: number): number => {
      const options = { ...OFF, consecutiveFailures: 1, ...(share === undefined ? {} : { maxEjectedShare: share }) };
      create(options, names(count));
      for (const id of names(count)) tell(id, 'failure');
      expect(detector.snapshot()).toMatchObject({ ejected: ejected().length, mayBeEjected: ejected().length });
      return ejected().length;
    };

    it('is one of two or more instances, or the share of them, rounded down', () => {
      expect([1, 2, 3, 5, 6, 7, 10, 20].map((count) => ejectAll(count))).toEqual([0, 1, 1, 1, 1, 2, 3, 6]);
    });

    it('is never all of them', () => {
      expect([1, 2, 3, 10].map((count) => ejectAll(count, 1))).toEqual([0, 1, 2, 9]);
    });

    it('is a share that is counted exactly', () => {
      expect([ejectAll(10, 0.7), ejectAll(50, 0.58)]).toEqual([7, 29]);
    });

    it('falls with the number of instances: the first to return is readmitted at once', () => {
      create({ ...OFF, consecutiveFailures: 1, maxEjectedShare: 0.5 }, names(6));
      for (const id of ['c', 'a', 'b']) {
        tell(id, 'failure');
        clock.advance(1_000);
      }
      detector.retain(['a', 'b', 'c']);
      expect([ejected(), readmitted]).toEqual([['b'], ['c', 'a']]);
      detector.retain(['b']);
      expect(ejected()).toEqual([]);
    });

    it('uses the instances with calls when `retain` was not called', () => {
      detector = new OutlierDetector({ ...OFF, consecutiveFailures: 1 }, { clock });
      tell('a', 'failure');
      expect(ejected()).toEqual([]);
      tell('b', 'success');
      tell('a', 'failure');
      expect(ejected()).toEqual(['a']);
    });

    it('keeps the record of an instance that could not be ejected: its next failure ejects it when there is room', () => {
      create({ ...OFF, consecutiveFailures: 2 }, names(3));
      tell('a', 'failure', 2);
      tell('b', 'failure', 4);
      expect(ejected()).toEqual(['a']);
      clock.advance(30_000);
      tell('b', 'failure');
      expect(ejected()).toEqual(['b']);
    });
  });

  describe('recovering', () => {
    const options = { ...OFF, consecutiveFailures: 1 };
    /** Ejects it once more, and waits until it is back. */
    const ejectAgain = (id = 'a'): number => {
      tell(id, 'failure');
      const { ejectedForMs = Number.NaN } = detector.explain(id);
      clock.advance(ejectedForMs);
      return ejectedForMs;
    };

    it('passive ejection recovers by itself', () => {
      create(options, names(2));
      tell('a', 'failure');
      clock.advance(29_999);
      expect(ejected()).toEqual(['a']);
      clock.advance(1);
      expect([ejected(), readmitted, detector.isEjected('a')]).toEqual([[], ['a'], false]);
      expect(clock.pendingTimers).toBe(0);
    });

    it('takes so many times as long as it was ejected lately, up to the longest', () => {
      create({ ...options, ejectionTime: 10_000, maxEjectionTime: 35_000 }, names(2));
      expect([ejectAgain(), ejectAgain(), ejectAgain(), ejectAgain(), ejectAgain()]).toEqual([
        10_000, 20_000, 30_000, 35_000, 35_000,
      ]);
      expect(ejections.map(({ ejections: times }) => times)).toEqual([1, 2, 3, 4, 5]);
    });

    it('takes less again with each interval that the instance is not ejected in', () => {
      create(options, names(2));
      for (let time = 0; time < 3; time++) ejectAgain();
      clock.advance(INTERVAL);
      expect(detector.explain('a').ejections).toBe(3);
      clock.advance(1);
      expect(detector.explain('a').ejections).toBe(2);
      clock.advance(INTERVAL);
      expect(ejectAgain()).toBe(60_000);
      clock.advance(3_600_000);
      expect([detector.explain('a').ejections, ejectAgain()]).toEqual([0, 30_000]);
    });

    it('grows when the interval after the readmission is as bad', () => {
      create({ ...OFF, failurePercentage: {} }, names(2));
      for (const expected of [30_000, 60_000, 90_000]) {
        calls('a', 0, 20);
        calls('b', 20, 0);
        clock.advance(INTERVAL);
        expect(detector.explain('a').ejectedForMs).toBe(expected);
        clock.advance(expected);
        expect(ejected()).toEqual([]);
      }
    });

    it('takes longer by a random share', () => {
      create({ ...options, ejectionJitter: 0.2, maxEjectionTime: 30_000 }, names(2), () => 0.5);
      expect(ejectAgain()).toBe(33_000);
    });

    it('counts nothing of the time before, not even from calls that end later', () => {
      create({ ...OFF, consecutiveFailures: 2, failurePercentage: {} }, names(2));
      tell('a', 'failure', 2);
      tell('a', 'failure', 30);
      clock.advance(30_000);
      tell('a', 'failure', 30, 1);
      expect(detector.explain('a')).toMatchObject({ ejected: false, calls: 0, failuresInRow: 0 });
      tell('a', 'failure', 1, 0);
      expect(detector.explain('a')).toMatchObject({ ejected: false, calls: 1, failuresInRow: 1 });
    });

    it('comes one by one', () => {
      create({ ...options, maxEjectedShare: 0.5 }, names(4));
      tell('a', 'failure');
      clock.advance(5_000);
      tell('b', 'failure');
      clock.advance(25_000);
      expect([ejected(), readmitted]).toEqual([['b'], ['a']]);
      clock.advance(3_600_000);
      expect([ejected(), readmitted]).toEqual([[], ['a', 'b']]);
    });
  });

  describe('instances that come and go', () => {
    beforeEach(() => create({ ...OFF, consecutiveFailures: 2 }, names(3)));

    it('are forgotten when they have gone, with their ejection', () => {
      tell('a', 'failure', 2);
      detector.retain(['b', 'c']);
      expect([ejected(), readmitted]).toEqual([[], []]);
      clock.advance(3_600_000);
      tell('a', 'failure', 5);
      expect([ejected(), detector.snapshot().instances.map(({ instanceId }) => instanceId)]).toEqual([[], ['b', 'c']]);
      detector.retain(names(3));
      tell('a', 'failure');
      expect(ejected()).toEqual([]);
    });

    it('keep their records while others change', () => {
      tell('a', 'failure', 2);
      tell('b', 'failure');
      for (let update = 0; update < 1_000; update++) detector.retain(update % 2 ? names(3) : [...names(3), 'x']);
      expect([ejected(), detector.explain('b').failuresInRow]).toEqual([['a'], 1]);
    });

    it('are readmitted when they are forgotten', () => {
      tell('a', 'failure', 2);
      detector.forget('a');
      detector.forget('unheard of');
      expect([ejected(), readmitted, detector.explain('a').ejections]).toEqual([[], ['a'], 0]);
      clock.advance(3_600_000);
      expect(readmitted).toEqual(['a']);
    });
  });

  it('reports the state of each instance', () => {
    create({ consecutiveFailures: 3 }, names(2));
    tell('a', 'success', 2);
    tell('a', 'failure', 3);
    clock.advance(1_000);
    expect(detector.snapshot()).toEqual({
      ejected: 1,
      mayBeEjected: 1,
      instances: [
        {
          instanceId: 'a',
          ejected: true,
          reason: 'consecutive_failures',
          evidence: '3 failures in a row',
          ejectedForMs: 29_000,
          ejections: 1,
          failuresInRow: 3,
          calls: 5,
          failed: 3,
        },
        {
          instanceId: 'b',
          ejected: false,
          reason: undefined,
          evidence: undefined,
          ejectedForMs: undefined,
          ejections: 0,
          failuresInRow: 0,
          calls: 0,
          failed: 0,
        },
      ],
    });
  });

  it('reports in a dry run which instances it would eject, and ejects none', () => {
    const events: unknown[] = [];
    const sink = { emit: (type: string, payload: object) => void events.push({ type, ...payload }) };
    const options = { ...OFF, consecutiveFailures: 1, maxEjectedShare: 0.5, enforcing: false } as const;
    detector = new OutlierDetector(options, { clock, ...reportOutliers(sink, 'users'), random: () => 0 });
    detector.retain(names(4));
    for (const id of ['a', 'b', 'c']) tell(id, 'failure');
    expect(ejected()).toEqual([]);
    expect([detector.isEjected('a'), detector.snapshot().ejected]).toEqual([false, 2]);
    const evidence = '1 failure in a row';
    const found = { reason: 'consecutive_failures', evidence, ejections: 1, enforced: false };
    expect(detector.explain('a')).toMatchObject({ ...found, ejected: false, ejectedForMs: 30_000 });
    expect(detector.explain('c')).toMatchObject({ ejected: false, reason: undefined, failuresInRow: 1 });
    clock.advance(30_000);
    expect(detector.explain('a')).toMatchObject({ ejected: false, reason: undefined, ejections: 1 });
    const key = { serviceName: 'users', instanceId: 'a' };
    expect(events).toHaveLength(4);
    expect(events[0]).toEqual({ type: 'instance.ejected', key, ...found, ejectedForMs: 30_000 });
    expect(events[2]).toEqual({ type: 'instance.readmitted', key, enforced: false });
  });

  it('readmits an instance early on request, and remembers the ejection', () => {
    create({ ...OFF, consecutiveFailures: 1 }, names(2));
    tell('a', 'failure');
    detector.readmit('a');
    detector.readmit('b');
    expect([ejected(), readmitted]).toEqual([[], ['a']]);
    tell('a', 'failure');
    expect(ejections.map(({ ejections: times }) => times)).toEqual([1, 2]);
  });

  it('gives the same set each time', () => {
    create({ ...OFF, consecutiveFailures: 1 }, names(2));
    const set = detector.ejected;
    tell('a', 'failure');
    expect([detector.ejected === set, [...set]]).toEqual([true, ['a']]);
  });

  it('reports events, and works even if a listener throws', () => {
    const events: unknown[] = [];
    const sink = { emit: (type: string, payload: object) => void events.push({ type, ...payload }) };
    detector = new OutlierDetector(
      { ...OFF, consecutiveFailures: 1 },
      { clock, ...reportOutliers(sink, 'users'), random: () => 0 },
    );
    detector.retain(names(2));
    tell('a', 'failure');
    clock.advance(30_000);
    expect(detector.isEjected('a')).toBe(false);
    const key = { serviceName: 'users', instanceId: 'a' };
    const found = {
      reason: 'consecutive_failures',
      evidence: '1 failure in a row',
      ejectedForMs: 30_000,
      ejections: 1,
    };
    expect(events).toEqual([
      { type: 'instance.ejected', key, ...found },
      { type: 'instance.readmitted', key },
    ]);
    const throwing = (): never => {
      throw new Error('listener');
    };
    detector = new OutlierDetector(
      { ...OFF, consecutiveFailures: 1 },
      { clock, onEject: throwing, onReadmit: throwing },
    );
    detector.retain(names(2));
    tell('a', 'failure');
    expect(detector.isEjected('a')).toBe(true);
    clock.advance(3_600_000);
    expect(detector.isEjected('a')).toBe(false);
  });

  it('works with its defaults, with a clock of its own', () => {
    detector = new OutlierDetector();
    detector.retain(names(3));
    tell('a', 'failure', 5);
    expect(ejected()).toEqual(['a']);
  });
});
