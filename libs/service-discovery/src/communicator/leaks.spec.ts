import { getEventListeners } from 'node:events';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Random, seededRandom, sleep, TransportError } from '../common/index.js';
import { CallFixture } from '../testing/call-fixture.js';
import { type FakeResponse } from '../testing/fake-transport.js';
import { type ServiceCommunicator } from './communicator.js';
import { type CommunicatorOptions } from './options/index.js';
import { type ServiceCallRequest } from './request.js';

const EVERYTHING: CommunicatorOptions = {
  loadBalancing: { strategy: 'p2c_ewma', slowStart: {} },
  timeout: '2s',
  attemptTimeout: '500ms',
  retry: { maxAttempts: 3, baseDelay: '50ms' },
  circuitBreaker: { failureThreshold: 5, recoveryTimeout: '1s' },
  serviceCircuitBreaker: { failureThreshold: false, failureRate: 0.9, recoveryTimeout: '1s' },
  outlierDetection: {},
  hedging: { delay: '100ms' },
  concurrency: 50,
  bulkhead: { maxConcurrent: 60, maxQueue: 50, maxWait: '500ms' },
  adaptiveConcurrency: { initial: 40, maxQueue: 20, maxWait: '300ms' },
  throttling: {},
  rateLimit: { rate: 2_000, maxWait: '200ms' },
  coalescing: true,
  lastGood: { maxEntries: 10 },
  chaos: { faultRate: 0.05, latencyRate: 0.05, latency: [0, '1s'] },
};

describe('after many calls with every kind of outcome', () => {
  let stage: CallFixture;
  const unhandled: unknown[] = [];
  const onUnhandled = (reason: unknown): void => void unhandled.push(reason);

  beforeEach(async () => {
    unhandled.length = 0;
    process.on('unhandledRejection', onUnhandled);
    stage = await CallFixture.open();
    await stage.register('a', 'b', 'c', 'd');
  });

  afterEach(() => {
    process.off('unhandledRejection', onUnhandled);
  });

  /** Answers late, never, or with anything at all. */
  const misbehave = (random: Random): void => {
    stage.transport.answer(async (_instance, _request, signal): Promise<FakeResponse> => {
      const drawn = random();
      if (drawn < 0.05) await new Promise(() => undefined);
      await sleep(stage.clock, random() * (drawn < 0.3 ? 1_500 : 50), drawn < 0.6 ? signal : undefined);
      if (drawn < 0.4) throw new TransportError('socket hang up', drawn < 0.35);
      if (drawn < 0.5) return { status: 503, headers: { 'retry-after': '0' }, body: 'busy' };
      if (drawn < 0.55) return { status: 404, body: { message: 'none' } };
      if (drawn < 0.6) return { body: '<html>' };
      if (drawn < 0.65) return { body: new Readable({ read: () => undefined }) };
      return { body: { drawn } };
    });
  };

  const callInSomeWay = async (
    communicator: ServiceCommunicator,
    random: Random,
    signal: AbortSignal,
  ): Promise<void> => {
    const request: ServiceCallRequest = {
      path: `/${Math.floor(random() * 5)}`,
      signal: random() < 0.8 ? signal : undefined,
      timeout: random() < 0.2 ? '300ms' : undefined,
    };
    const drawn = random();
    if (drawn < 0.5) await communicator.callServiceJson('users', request);
    else if (drawn < 0.7) await communicator.callServiceJson('users', { ...request, method: 'POST', json: {} });
    else if (drawn < 0.8) {
      await communicator.callServiceWithFallback({ ...request, primaryService: 'users', fallback: () => null });
    } else {
      const { body } = await communicator.callService('users', { ...request, signal });
      if (random() < 0.5) await body.text();
      else await body.dump();
    }
  };

  it.each<[string, CommunicatorOptions]>([
    ['with the defaults', {}],
    ['with everything on', EVERYTHING],
    [
      'with hedges and an empty retry budget',
      { hedging: { delay: 5, maxHedges: 2 }, retry: { budget: false, maxAttempts: 5 } },
    ],
    ['with shared calls', { coalescing: true, attemptTimeout: '400ms', timeout: '1s' }],
  ])('%s, no timer, listener, slot or rejection is left', async (_, options) => {
    const random = seededRandom(7);
    const communicator = stage.communicatorWith(options);
    misbehave(random);
    const controllers: AbortController[] = [];
    const over = new Set<AbortController>();
    const ended: Promise<unknown>[] = [];
    for (let n = 0; n < 600; n++) {
      const controller = new AbortController();
      controllers.push(controller);
      if (random() < 0.3) stage.clock.setTimer(() => controller.abort(new Error('left')), random() * 300);
      const call = callInSomeWay(communicator, random, controller.signal);
      ended.push(call.catch(() => undefined).finally(() => over.add(controller)));
      if (n % 3 === 0) await stage.clock.advanceAsync(random() * 20);
    }
    await stage.clock.advanceAsync(120_000);
    expect(over.size).toBeGreaterThan(500);
    for (const { signal } of over) expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    // An endless stream belongs to its reader, which now lets go of it.
    for (const controller of controllers) controller.abort();
    await Promise.all(ended);
    await stage.clock.advanceAsync(0);

    const { instances, limits } = communicator.explain('users');
    expect(instances.map(({ active }) => active)).toEqual([0, 0, 0, 0]);
    if (options.bulkhead) expect(limits.bulkhead).toMatchObject({ active: 0, queued: 0 });
    if (options.adaptiveConcurrency) expect(limits.adaptiveConcurrency).toMatchObject({ inFlight: 0, queued: 0 });
    if (options.throttling) expect(limits.throttling).toMatchObject({ inFlight: 0 });
    expect(communicator.circuitBreakers().map(({ probes }) => probes)).toEqual(
      communicator.circuitBreakers().map(() => 0),
    );
    for (const { signal } of controllers) expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    await stage.close();
    expect(stage.clock.pendingTimers).toBe(0);
    await new Promise((resolve) => setImmediate(resolve));
    expect(unhandled).toEqual([]);
  });
});
