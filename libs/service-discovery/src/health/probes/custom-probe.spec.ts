import { describe, expect, it } from '@jest/globals';
import { instanceAt } from '../../../../../test/support/probed-server.js';
import { type CustomCheck, CustomProbe } from './custom-probe.js';
import { type ProbeResult } from './probe.js';

const { signal } = new AbortController();
const resultOf = (ask: CustomCheck): Promise<ProbeResult> => new CustomProbe(ask).check(instanceAt(6_379), signal);

describe('CustomProbe', () => {
  it('passes the instance and the signal on', async () => {
    const given: unknown[] = [];
    await resultOf((...args) => given.push(...args) > 0);
    expect(given).toEqual([expect.objectContaining({ host: '127.0.0.1', port: 6_379 }), signal]);
  });

  it('accepts true, false and full results, sync or async', async () => {
    const full: ProbeResult = { passed: false, skipped: true, reason: 'it reloads', data: { role: 'replica' } };
    expect(await resultOf(() => true)).toEqual({ passed: true });
    expect(await resultOf(() => Promise.resolve(false))).toEqual({ passed: false, reason: 'the custom check failed' });
    expect(await resultOf(() => Promise.resolve(full))).toEqual(full);
  });

  it('drops data that cannot be serialized or is too large, and reports that', async () => {
    const circle: Record<string, unknown> = {};
    circle.self = circle;
    const reason = 'the data of the custom check is not JSON of at most 64 KiB and was not kept';
    for (const data of [circle, { n: 1n }, 'x'.repeat(65_536), () => 1]) {
      expect(await resultOf(() => ({ passed: true, data }))).toEqual({ passed: true, reason });
    }
    const result = await resultOf(() => ({ passed: true, data: { at: new Date(0), gone: undefined } }));
    expect(result.data).toEqual({ at: '1970-01-01T00:00:00.000Z' });
  });

  it('truncates a long reason', async () => {
    const { reason } = await resultOf(() => ({ passed: false, reason: 'x'.repeat(1_000) }));
    expect(reason).toBe('x'.repeat(200));
  });

  it("fails with the thrown error's message", async () => {
    const throws = (): never => {
      throw Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:6379'), { code: 'ECONNREFUSED' });
    };
    expect(await resultOf(throws)).toEqual({ passed: false, reason: 'connection refused' });
    expect(await resultOf(() => Promise.reject(new Error('LOADING')))).toEqual({ passed: false, reason: 'LOADING' });
  });

  it.each([undefined, null, 1, 'PONG', {}, { passed: 'yes' }])('fails if it returns %j', async (answer) => {
    expect(await resultOf(() => answer as never)).toEqual({
      passed: false,
      reason: 'the custom check returned neither true nor false nor a result',
    });
  });
});
