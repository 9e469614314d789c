import { createServer } from 'node:http';
import { expect, it } from '@jest/globals';
import { ManualClock } from '../../testing/manual-clock.js';
import { HttpDrain } from './http-drain.js';
import { Leaving } from './leaving.js';

it('leaves no timer where the app is closed twice at the same time', async () => {
  const clock = new ManualClock();
  const nothing = async (): Promise<never> => Promise.reject(new Error('nothing is registered'));
  const leaving = new Leaving(
    { drainDelayMs: 0, timeoutMs: 20_000 },
    {
      registry: { ownLeases: () => [], drainOwn: nothing, deregisterOwn: nothing },
      fallSilent: async () => undefined,
      drain: new HttpDrain(createServer()),
      clock,
      logger: { warn: () => undefined },
    },
  );
  await leaving.drain();
  await Promise.all([leaving.beforeClose(), leaving.beforeClose()]);
  expect(clock.pendingTimers).toBe(2);
  leaving.closed();
  leaving.closed();
  expect(clock.pendingTimers).toBe(0);
});
