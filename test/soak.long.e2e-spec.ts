import { expect, it } from '@jest/globals';
import { soak } from '../soak/soak.js';
import { report } from './support/timing.js';

it('calls of all kinds leave no timer, no listener and no unhandled rejection behind', async () => {
  const { calls, seconds, endings, events, leaks } = await soak({
    calls: 20_000,
    concurrency: 256,
    warmUp: 0,
    seed: 1,
  });
  report(`${calls} mixed calls in ${seconds.toFixed(1)} s`);
  expect(leaks).toEqual({ timers: 0, listeners: 0, requests: 0, rejections: 0, timersAfterClose: 0 });
  // Every kind of call must have occurred.
  const ended = [...endings.keys()];
  for (const ending of ['ok', 'aborted', 'ATTEMPT_TIMEOUT', 'RESPONSE_STATUS', 'TRANSPORT_FAILURE', 'RATE_LIMITED']) {
    expect(ended).toContain(ending);
  }
  expect(ended.filter((ending) => ending.startsWith('unexpected'))).toEqual([]);
  const happened = [...events.keys()];
  for (const type of ['call.retried', 'call.hedged', 'call.failed_over', 'call.refused', 'instance.ejected']) {
    expect(happened).toContain(type);
  }
}, 60_000);
