import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { CancelSource } from '../../common/index.js';
import { CallFixture, failure } from '../../testing/call-fixture.js';
import { type Transport } from '../../transport/index.js';
import { type ServiceCommunicator } from '../communicator.js';

describe('limits of the calls to a service', () => {
  let stage: CallFixture;

  beforeEach(async () => {
    stage = await CallFixture.open();
    await stage.register('a', 'b');
  });

  afterEach(async () => {
    await stage.clock.advanceAsync(0);
    await stage.close();
    expect(stage.clock.pendingTimers).toBe(0);
  });

  const call = (communicator: ServiceCommunicator, signal?: AbortSignal): Promise<unknown> =>
    communicator.callServiceJson('users', { path: '/', signal });
  const refusals = (): unknown[] =>
    stage.events.filter(({ type }) => type === 'call.refused').map(({ payload }) => [payload.stage, payload.code]);

  it('create no AbortSignal for a call that does not wait', async () => {
    const signal = jest.spyOn(CancelSource.prototype, 'signal', 'get');
    try {
      (stage.transport as Transport).dispatch = (to, request) => stage.transport.send(to, request);
      const limits = { rateLimit: { rate: 5 }, bulkhead: { maxConcurrent: 1, maxQueue: 1 }, adaptiveConcurrency: {} };
      const communicator = stage.communicatorWith(limits);
      await call(communicator);
      expect(signal).not.toHaveBeenCalled();
      await Promise.all([call(communicator), call(communicator)]);
      expect(signal).toHaveBeenCalledTimes(1);
    } finally {
      signal.mockRestore();
    }
  });

  it('do not count a caller that has already aborted', async () => {
    const communicator = stage.communicatorWith({ rateLimit: { rate: 1 }, bulkhead: { maxConcurrent: 1 } });
    const error = await failure(call(communicator, AbortSignal.abort(new Error('left'))));
    expect(error.message).toBe('left');
    await call(communicator);
  });

  describe('rateLimit', () => {
    it('refuses excess calls and says when to retry', async () => {
      const communicator = stage.communicatorWith({ rateLimit: { rate: 2, per: '1s' } });
      await call(communicator);
      await call(communicator.withOptions({ timeout: '5s' }));
      const error = await failure(call(communicator));
      expect(error).toMatchObject({ code: 'RATE_LIMITED', attempts: 0, retryAfterMs: 500, service: 'users' });
      expect(refusals()).toEqual([['rate_limit', 'RATE_LIMITED']]);
      stage.clock.advance(500);
      await call(communicator);
      expect(stage.transport.sent).toHaveLength(3);
    });

    it('lets calls wait for their turn, within their timeout', async () => {
      const communicator = stage.communicatorWith({ rateLimit: { rate: 1, maxWait: '5s' }, timeout: '5s' });
      await call(communicator);
      const patient = call(communicator);
      const hasty = failure(communicator.callService('users', { path: '/', timeout: '1500ms' }));
      expect((await hasty).code).toBe('RATE_LIMITED');
      await stage.clock.advanceAsync(1_000);
      await patient;
      expect(stage.transport.sent).toHaveLength(2);
    });

    it('distinguishes an abort during the wait from a refusal', async () => {
      const communicator = stage.communicatorWith({ rateLimit: { rate: 1, maxWait: '5s' } });
      await call(communicator);
      const controller = new AbortController();
      const waiting = failure(call(communicator, controller.signal));
      await stage.clock.advanceAsync(0);
      controller.abort(new Error('left'));
      expect((await waiting).message).toBe('left');
      expect(refusals()).toEqual([]);
    });
  });

  describe('throttling', () => {
    const options = { throttling: { minRequests: 1, k: 1 }, retry: false, circuitBreaker: false } as const;

    it('drops calls while the service reports overload', async () => {
      stage.transport.answer(() => ({ status: 503 }));
      const communicator = stage.communicatorWith(options);
      const codes: unknown[] = [];
      for (let n = 0; n < 60; n++) codes.push((await failure(call(communicator))).code);
      expect(new Set(codes)).toEqual(new Set(['RESPONSE_STATUS', 'THROTTLED']));
      expect(stage.transport.sent).toHaveLength(codes.filter((code) => code === 'RESPONSE_STATUS').length);
      expect(refusals()).toHaveLength(60 - stage.transport.sent.length);
    });

    it("ignores errors unrelated to load, and callers' aborts", async () => {
      const communicator = stage.communicatorWith(options);
      stage.transport.answer(() => ({ status: 404 }));
      for (let n = 0; n < 30; n++) await failure(call(communicator));
      stage.transport.hold();
      for (let n = 0; n < 30; n++) {
        const controller = new AbortController();
        const aborted = failure(call(communicator, controller.signal));
        await stage.transport.nextHeld();
        controller.abort(new Error('left'));
        await aborted;
      }
      expect(refusals()).toEqual([]);
      expect(communicator.explain('users').limits.throttling).toMatchObject({
        rejection: 0,
        requests: 30,
        accepts: 30,
      });
    });

    it('ignores calls that timed out before they were sent', async () => {
      stage.transport.hold();
      const communicator = stage.communicatorWith({ ...options, bulkhead: { maxConcurrent: 1, maxQueue: 9 } });
      const running = call(communicator);
      const held = await stage.transport.nextHeld();
      const hasty = Array.from({ length: 9 }, () =>
        failure(communicator.callService('users', { path: '/', timeout: '1s' })),
      );
      await stage.clock.advanceAsync(1_000);
      for (const error of await Promise.all(hasty)) expect(error.code).toBe('DEADLINE_EXCEEDED');
      held.respond({ body: 1 });
      await running;
      expect(communicator.explain('users').limits.throttling).toMatchObject({ rejection: 0, requests: 1, accepts: 1 });
    });
  });

  describe('bulkhead', () => {
    it('runs calls up to the limit, queues some, and refuses the rest', async () => {
      stage.transport.hold();
      const communicator = stage.communicatorWith({ bulkhead: { maxConcurrent: 1, maxQueue: 1 } });
      const calls = [call(communicator), call(communicator)];
      const refused = failure(call(communicator));
      expect(await refused).toMatchObject({ code: 'BULKHEAD_FULL', service: 'users', attempts: 0 });
      expect(refusals()).toEqual([['bulkhead', 'BULKHEAD_FULL']]);
      expect(stage.transport.sent).toHaveLength(1);
      (await stage.transport.nextHeld()).respond({ body: 1 });
      (await stage.transport.nextHeld()).respond({ body: 2 });
      expect(await Promise.all(calls)).toEqual([1, 2]);
    });

    it('holds a slot during all attempts of a call, and frees it however the call ends', async () => {
      stage.transport.answer(() => ({ status: 503 }));
      const communicator = stage.communicatorWith({ bulkhead: { maxConcurrent: 1 }, retry: { maxAttempts: 2 } });
      for (let n = 0; n < 3; n++) await failure(call(communicator));
      stage.transport.hold();
      const controller = new AbortController();
      const aborted = failure(call(communicator, controller.signal));
      await stage.transport.nextHeld();
      controller.abort();
      await aborted;
      expect(communicator.explain('users').limits.bulkhead).toMatchObject({ active: 0, queued: 0 });
    });

    it('ends the wait of a call that times out', async () => {
      stage.transport.hold();
      const communicator = stage.communicatorWith({ bulkhead: { maxConcurrent: 1, maxQueue: 5 } });
      const first = call(communicator);
      const held = await stage.transport.nextHeld();
      const waiting = failure(communicator.callService('users', { path: '/', timeout: '1s' }));
      expect(communicator.load()).toEqual([{ service: 'users', inFlight: 1, queued: 1 }]);
      await stage.clock.advanceAsync(1_000);
      expect(await waiting).toMatchObject({ code: 'DEADLINE_EXCEEDED', attempts: 0 });
      expect(refusals()).toEqual([]);
      held.respond();
      await first;
      expect(communicator.load('users')).toEqual([{ service: 'users', inFlight: 0, queued: 0 }]);
      expect(communicator.explain('users').limits.bulkhead).toMatchObject({ active: 0, queued: 0 });
    });

    it('is shared by callers with equal settings only', async () => {
      stage.transport.hold();
      const communicator = stage.communicatorWith({ bulkhead: { maxConcurrent: 1 } });
      const first = call(communicator);
      expect((await failure(call(communicator.withOptions({ timeout: '9s' })))).code).toBe('BULKHEAD_FULL');
      const other = call(communicator.withOptions({ bulkhead: { maxConcurrent: 2 } }));
      for (let n = 0; n < 2; n++) (await stage.transport.nextHeld()).respond();
      await Promise.all([first, other]);
    });
  });

  describe('adaptiveConcurrency', () => {
    it('refuses calls beyond the estimated limit', async () => {
      const communicator = stage.communicatorWith({ adaptiveConcurrency: { initial: 2, min: 1 }, retry: false });
      stage.transport.hold();
      const calls = [call(communicator), call(communicator)];
      expect(await failure(call(communicator))).toMatchObject({ code: 'CONCURRENCY_LIMITED', attempts: 0 });
      expect(refusals()).toEqual([['adaptive_concurrency', 'CONCURRENCY_LIMITED']]);
      for (let n = 0; n < 2; n++) (await stage.transport.nextHeld()).respond();
      await Promise.all(calls);
      expect(communicator.explain('users').limits.adaptiveConcurrency).toMatchObject({ limit: 2, inFlight: 0 });
    });

    it('learns from the latency of answers, and nothing from refusals of the service', async () => {
      const communicator = stage.communicatorWith({ adaptiveConcurrency: {}, retry: false, circuitBreaker: false });
      const learn = async (status: number): Promise<number | undefined> => {
        stage.transport.answer(() => {
          stage.clock.advance(10);
          return { status };
        });
        for (let n = 0; n < 50; n++) await communicator.callService('users', { path: '/' });
        return communicator.explain('users').limits.adaptiveConcurrency?.latencyMs;
      };
      expect(await learn(503)).toBeUndefined();
      expect(await learn(200)).toBeCloseTo(10);
    });

    it('does not count backoff as latency of the service', async () => {
      const retry = { maxAttempts: 3, baseDelay: '5s', jitter: 'none', budget: false } as const;
      const communicator = stage.communicatorWith({ adaptiveConcurrency: {}, retry, circuitBreaker: false });
      let failing = 2;
      stage.transport.answer(() => ({ status: failing-- > 0 ? 503 : 200 }));
      for (let n = 0; n < 50; n++) {
        failing = 2;
        const calling = call(communicator);
        await stage.clock.advanceAsync(5_000);
        await calling;
      }
      expect(communicator.explain('users').limits.adaptiveConcurrency).toMatchObject({
        latencyMs: undefined,
        inFlight: 0,
      });
      failing = 0;
      for (let n = 0; n < 50; n++) await call(communicator);
      expect(communicator.explain('users').limits.adaptiveConcurrency?.latencyMs).toBe(0);
    });

    it('frees the slot of a call that is aborted or times out', async () => {
      const communicator = stage.communicatorWith({ adaptiveConcurrency: { maxQueue: 1 }, timeout: '1s' });
      stage.transport.hold();
      const controller = new AbortController();
      const ended = [failure(call(communicator, controller.signal)), failure(call(communicator))];
      await stage.clock.advanceAsync(500);
      controller.abort();
      await stage.clock.advanceAsync(500);
      await Promise.all(ended);
      expect(communicator.explain('users').limits.adaptiveConcurrency).toMatchObject({ inFlight: 0, queued: 0 });
    });
  });

  describe('serviceCircuitBreaker', () => {
    const options = {
      serviceCircuitBreaker: { failureThreshold: 2, recoveryTimeout: '10s' },
      circuitBreaker: false,
      retry: { maxAttempts: 2 },
    } as const;

    it('opens after failed calls, counted after all attempts at any instance', async () => {
      stage.transport.answer(() => ({ status: 503 }));
      const communicator = stage.communicatorWith(options);
      for (let n = 0; n < 2; n++) await failure(call(communicator));
      expect(stage.transport.sent).toHaveLength(4);
      expect(await failure(call(communicator))).toMatchObject({
        code: 'CIRCUIT_OPEN',
        attempts: 0,
        service: 'users',
        retryAfterMs: 10_000,
      });
      expect(refusals()).toEqual([['service_circuit_breaker', 'CIRCUIT_OPEN']]);
      expect(communicator.circuitBreakers()).toEqual([
        expect.objectContaining({ service: 'users', state: 'open', failures: 2 }),
      ]);
      stage.transport.answer(() => ({}));
      stage.clock.advance(10_000);
      await call(communicator);
      expect(communicator.circuitBreakers()).toMatchObject([{ state: 'closed' }]);
    });

    it('ignores calls that succeed at another instance, are aborted, or find no instance', async () => {
      stage.failOn('a');
      const communicator = stage.communicatorWith(options);
      for (let n = 0; n < 6; n++) await call(communicator);
      stage.transport.hold();
      for (let n = 0; n < 3; n++) {
        const controller = new AbortController();
        const aborted = failure(call(communicator, controller.signal));
        await stage.transport.nextHeld();
        controller.abort();
        await aborted;
      }
      for (let n = 0; n < 3; n++) {
        await failure(communicator.callService('users', { path: '/', criteria: { version: '^9' } }));
      }
      expect(communicator.circuitBreakers()).toMatchObject([{ state: 'closed', failures: 0 }]);
    });

    it('counts the deadline of a call as a failure, and frees its probe', async () => {
      const communicator = stage.communicatorWith({ ...options, timeout: '1s' });
      stage.transport.hold();
      for (let n = 0; n < 2; n++) {
        const late = failure(call(communicator));
        await stage.clock.advanceAsync(1_000);
        expect((await late).code).toBe('DEADLINE_EXCEEDED');
      }
      expect(communicator.circuitBreakers()).toMatchObject([{ state: 'open' }]);
      stage.clock.advance(10_000);
      const controller = new AbortController();
      const probe = failure(call(communicator, controller.signal));
      await stage.clock.advanceAsync(0);
      controller.abort();
      await probe;
      expect(communicator.circuitBreakers()).toMatchObject([{ state: 'half_open', probes: 0 }]);
    });
  });

  it('are applied in order, so that a call takes no token or slot before a later limit refuses it', async () => {
    const communicator = stage.communicatorWith({
      lastGood: {},
      coalescing: true,
      rateLimit: { rate: 100 },
      throttling: {},
      bulkhead: { maxConcurrent: 5 },
      adaptiveConcurrency: {},
      serviceCircuitBreaker: {},
      outlierDetection: {},
      hedging: {},
      concurrency: 9,
      chaos: {},
    });
    expect(communicator.describePipeline('users').map(({ stage: name }) => name)).toEqual([
      'last_good',
      'coalescing',
      'deadline',
      'rate_limit',
      'throttling',
      'bulkhead',
      'adaptive_concurrency',
      'service_circuit_breaker',
      'retry',
      'hedging',
      'load_balancing',
      'circuit_breaker',
      'outlier_detection',
      'concurrency',
      'attempt_timeout',
      'chaos',
    ]);
  });

  it('leave out disabled stages', () => {
    const stages = (communicator: ServiceCommunicator): string[] =>
      communicator.describePipeline().map(({ stage: name }) => name);
    const communicator = stage.communicatorWith();
    expect(stages(communicator)).toEqual(['deadline', 'retry', 'load_balancing', 'circuit_breaker', 'attempt_timeout']);
    expect(stages(communicator.withOptions({ retry: false, circuitBreaker: false }))).toEqual([
      'deadline',
      'load_balancing',
      'attempt_timeout',
    ]);
  });
});
