import { describe, expect, it } from '@jest/globals';
import { type HealthStatus, type InstanceStatus, type OperatorStatus } from '../model/index.js';
import { fakeInstance } from '../testing/index.js';
import { mergedStatus, reasonsOf, type StatusReason } from './status-merge.js';

const NOW = 1_000_000;
const TTL_MS = 30_000;
const HOLD = { since: 900_000, overdue: 9, total: 10 };
const FINDING = { reason: 'its circuit is open', since: 950_000 };

const OPERATORS: readonly OperatorStatus[] = ['up', 'maintenance', 'draining'];
const HEALTHS: readonly HealthStatus[] = ['unknown', 'healthy', 'unhealthy'];

/** Every combination of what the sources may report. */
const CASES = OPERATORS.flatMap((operator) =>
  [false, true].flatMap((held) =>
    HEALTHS.flatMap((health) => [false, true].map((found) => ({ operator, held, health, found }))),
  ),
);

describe('the status of an instance', () => {
  it.each(CASES)('with $operator, held: $held, $health, found: $found', ({ operator, held, health, found }) => {
    const detail = { checkedAt: 980_000, since: 970_000, reason: 'status 503' };
    const instance = fakeInstance({
      operatorStatus: operator,
      operatorNote: operator === 'up' ? undefined : { since: 960_000, reason: 'a disk is full', by: 'ada' },
      healthStatus: health,
      health: health === 'unknown' ? undefined : detail,
      ttlMs: TTL_MS,
      lastHeartbeat: NOW - 25_000,
    });
    const finding = found ? FINDING : undefined;

    const words: (InstanceStatus | undefined)[] = [
      operator === 'up' ? undefined : operator,
      // The lease carries no status for a listed instance.
      undefined,
      health === 'unknown' ? undefined : health,
      found ? 'unhealthy' : undefined,
    ];
    const expected = words.find((word) => word !== undefined) ?? 'unknown';
    expect(mergedStatus(instance, finding)).toBe(expected);

    const reasons: (StatusReason | undefined)[] = [
      operator === 'up'
        ? undefined
        : { source: 'operator', status: operator, reason: 'a disk is full', since: 960_000, by: 'ada' },
      held
        ? {
            source: 'lease',
            status: null,
            reason: 'it misses its heartbeats, as do 9 of 10: expiry is held',
            since: 900_000,
          }
        : undefined,
      health === 'unknown' ? undefined : { source: 'active', status: health, reason: 'status 503', since: 970_000 },
      found ? { source: 'passive', status: 'unhealthy', ...FINDING } : undefined,
    ];
    const all = reasonsOf(instance, { hold: held ? HOLD : null, finding, now: NOW });
    expect(all).toEqual(reasons.filter((reason) => reason !== undefined));
    expect(all.find(({ status }) => status !== null)?.status ?? 'unknown').toBe(expected);
  });

  it.each([
    [20_000, 1],
    [19_999, 0],
  ])('of an instance silent for %d ms of its 30 s lease, while expiry is held, has %d reasons', (silentMs, count) => {
    const instance = fakeInstance({ healthStatus: 'unknown', ttlMs: TTL_MS, lastHeartbeat: NOW - silentMs });
    expect(reasonsOf(instance, { hold: HOLD, now: NOW })).toHaveLength(count);
  });

  it('has no reason or time if none was given', () => {
    expect(reasonsOf(fakeInstance({ operatorStatus: 'draining', healthStatus: 'unknown' }), { now: NOW })).toEqual([
      { source: 'operator', status: 'draining', reason: null, since: null },
    ]);
    expect(reasonsOf(fakeInstance({ healthStatus: 'healthy' }), { now: NOW })).toEqual([
      { source: 'active', status: 'healthy', reason: null, since: null },
    ]);
  });
});
