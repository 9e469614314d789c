import { beforeEach, describe, expect, it } from '@jest/globals';
import { type ServiceSplit, type SplitPart } from '../model/index.js';
import { EventBus } from './event-bus.js';
import { SplitFigures } from './split-figures.js';

const splitOf = (share: number): ServiceSplit => ({ via: { url: 'http://kong:8000', share } });

describe('figures of the parts of a split', () => {
  let bus: EventBus;
  let split: ServiceSplit | undefined;
  let figures: SplitFigures;
  const attempt = (part: SplitPart, ok = true, durationMs = 10): void =>
    bus.emit('call.split', { service: 'users', part, ok, durationMs });
  /** An attempt as another process reports it: bucket 20 with one latency. */
  const reported = { attempts: 1, errors: 1, latencies: [20, 1] };

  beforeEach(() => {
    bus = new EventBus();
    split = splitOf(50);
    figures = new SplitFigures(bus, () => split);
  });

  it('count attempts and errors, with their p99, by part', () => {
    for (let call = 0; call < 100; call++) attempt('via', call > 0, call < 98 ? 10 : 1_000);
    attempt('direct');
    expect(figures.of('users')).toEqual([
      { part: 'via', attempts: 100, errors: 1, p99: expect.closeTo(1_000, -2.5) as unknown },
      { part: 'direct', attempts: 1, errors: 0, p99: expect.closeTo(10, -0.5) as unknown },
    ]);
    expect(figures.of('orders')).toEqual([]);
  });

  it('start again when the split changes', () => {
    attempt('via');
    split = splitOf(60);
    expect(figures.of('users')).toEqual([]);
    attempt('direct');
    expect(figures.of('users')).toMatchObject([{ part: 'direct', attempts: 1 }]);
  });

  it('report each attempt once, also those before the split changed', () => {
    attempt('via', false);
    split = splitOf(60);
    attempt('via');
    const report = figures.takeReport('users');
    expect(report).toMatchObject([{ part: 'via', attempts: 2, errors: 1 }]);
    expect(report?.[0]?.latencies.filter((_value, index) => index % 2 === 1)).toEqual([2]);
    expect(figures.takeReport('users')).toBeUndefined();
  });

  it('take up what others report, but for parts of a later version', () => {
    attempt('via');
    figures.add(
      'users',
      [
        { part: 'via', ...reported },
        { part: 'sideways', ...reported },
      ],
      1,
    );
    expect(figures.of('users')).toMatchObject([{ part: 'via', attempts: 2, errors: 1 }]);
    split = undefined;
    figures.add('users', [{ part: 'via', ...reported }], 1);
    expect(figures.of('users')).toEqual([]);
  });

  it('count nothing once closed', () => {
    figures.close();
    attempt('via');
    expect(figures.of('users')).toEqual([]);
  });
});
