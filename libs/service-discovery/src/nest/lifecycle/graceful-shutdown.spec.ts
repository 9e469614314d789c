import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { expect, it } from '@jest/globals';
import { ManualClock } from '../../testing/manual-clock.js';
import { HttpDrain } from './http-drain.js';
import { GracefulShutdown } from './graceful-shutdown.js';

function shutdownWith(clock: ManualClock, drainDelayMs: number, server: Server): GracefulShutdown {
  const nothing = async (): Promise<never> => Promise.reject(new Error('nothing is registered'));
  return new GracefulShutdown(
    { drainDelayMs, timeoutMs: 20_000 },
    {
      registry: { ownLeases: () => [], drainOwn: nothing, deregisterOwn: nothing },
      fallSilent: async () => undefined,
      drain: new HttpDrain(server),
      clock,
      logger: { warn: () => undefined },
    },
  );
}

it('leaves no timer where the app is closed twice at the same time', async () => {
  const clock = new ManualClock();
  const shutdown = shutdownWith(clock, 0, createServer());
  await shutdown.drain();
  await Promise.all([shutdown.beforeClose(), shutdown.beforeClose()]);
  expect(clock.pendingTimers).toBe(2);
  shutdown.closed();
  shutdown.closed();
  expect(clock.pendingTimers).toBe(0);
});

it('takes the next step where one fails, at once or later', async () => {
  const shutdown = shutdownWith(new ManualClock(), 0, createServer());
  const taken: string[] = [];
  const fail = (): never => {
    taken.push('fails');
    throw new TypeError('close is not a function');
  };
  await shutdown.step(fail);
  await shutdown.step(() => Promise.reject(new Error('away')));
  await shutdown.step(() => taken.push('next'));
  expect(taken).toEqual(['fails', 'next']);
});

it.each([
  ['listens', true],
  ['does not listen', false],
])('waits for load balancers where it is in no registry, and %s', async (_, listens) => {
  const clock = new ManualClock();
  const server = createServer();
  if (listens) await once(server.listen(0, '127.0.0.1'), 'listening');
  const shutdown = shutdownWith(clock, 5_000, server);
  let isOver = false;
  const drained = shutdown.drain().then(() => (isOver = true));
  await clock.advanceAsync(4_999);
  expect(isOver).toBe(!listens);
  await clock.advanceAsync(1);
  await drained;
  server.close();
});

it('gives who has just connected half a second to ask for something, and then ends the connection', async () => {
  const clock = new ManualClock();
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const shutdown = shutdownWith(clock, 0, server);
  const silent = connect((server.address() as AddressInfo).port, '127.0.0.1').resume();
  const ended = once(silent, 'close');
  await once(server, 'connection');
  let isOver = false;
  const drained = shutdown.drain().then(() => (isOver = true));
  await clock.advanceAsync(499);
  expect([server.listening, isOver]).toEqual([false, false]);
  await clock.advanceAsync(1);
  await drained;
  await ended;
});
