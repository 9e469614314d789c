import { describe, expect, it } from '@jest/globals';
import { instanceAt } from '../../../../../test/support/probed-server.js';
import { type CustomCheck, CustomProbe } from './custom-probe.js';
import { type ProbeResult } from './probe.js';

const { signal } = new AbortController();
const resultOf = (ask: CustomCheck): Promise<ProbeResult> => new CustomProbe(ask).check(instanceAt(6_379), signal);

describe('CustomProbe', () => {
  it('hands the instance and the signal on', async () => {
    const given: unknown[] = [];
    await resultOf((...args) => given.push(...args) > 0);
    expect(given).toEqual([expect.objectContaining({ host: '127.0.0.1', port: 6_379 }), signal]);
  });

  it('takes true, false and whole results, at once or later', async () => {
    const full: ProbeResult = { passed: false, skipped: true, reason: 'it reloads', data: { role: 'replica' } };
    expect(await resultOf(() => true)).toEqual({ passed: true });
    expect(await resultOf(() => Promise.resolve(false))).toEqual({ passed: false, reason: 'the custom check failed' });
    expect(await resultOf(() => Promise.resolve(full))).toEqual(full);
  });

  it('keeps no data that cannot be written out, or that nobody needs, and says so', async () => {
    const circle: Record<string, unknown> = {};
    circle.self = circle;
    const reason = 'the data of the custom check is no JSON of at most 64 KiB and was not kept';
    for (const data of [circle, { n: 1n }, 'x'.repeat(65_536), () => 1]) {
      expect(await resultOf(() => ({ passed: true, data }))).toEqual({ passed: true, reason });
    }
    const result = await resultOf(() => ({ passed: true, data: { at: new Date(0), gone: undefined } }));
    expect(result.data).toEqual({ at: '1970-01-01T00:00:00.000Z' });
  });

  it('cuts a long reason', async () => {
    const { reason } = await resultOf(() => ({ passed: false, reason: 'x'.repeat(1_000) }));
    expect(reason).toBe('x'.repeat(200));
  });

  it('fails with what is thrown', async () => {
    const throws = (): never => {
      throw Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:6379'), { code: 'ECONNREFUSED' });
    };
    expect(await resultOf(throws)).toEqual({ passed: false, reason: 'connection refused' });
    expect(await resultOf(() => Promise.reject(new Error('LOADING')))).toEqual({ passed: false, reason: 'LOADING' });
  });

  it.each([undefined, null, 1, 'PONG', {}, { passed: 'yes' }])('fails where %j is returned', async (answer) => {
    expect(await resultOf(() => answer as never)).toEqual({
      passed: false,
      reason: 'the custom check returned neither true nor false nor a result',
    });
  });
});
