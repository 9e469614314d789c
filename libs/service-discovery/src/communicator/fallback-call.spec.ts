import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DEADLINE_HEADER } from './call/deadline-header.js';
import { CallStage, failure, refused } from '../testing/call-stage.js';
import {
  ConcurrencyLimitedError,
  InvalidConfigurationError,
  RateLimitedError,
  ThrottledError,
} from '../common/index.js';
import { FallbackFailedError, isFallbackWorthy } from './fallback-call.js';

describe('a call with a fallback', () => {
  let stage: CallStage;

  beforeEach(async () => {
    stage = await CallStage.open();
  });

  afterEach(async () => {
    await stage.close();
    expect(stage.clock.pendingTimers).toBe(0);
  });

  beforeEach(async () => {
    await stage.register('a');
    await stage.registry.register(
      { serviceName: 'backup', host: '127.0.0.1', port: 9000, instanceId: 'z' },
      { heartbeat: 'manual' },
    );
  });

  it('answers when the primary fails, and gets no credentials that are not its own', async () => {
    stage.failOn('a', refused);
    const result = await stage.communicatorWith({ retry: false }).callServiceWithFallback({
      primaryService: 'users',
      fallbackService: 'backup',
      path: '/x',
      headers: { Authorization: 'Bearer s3cret', 'x-trace': '1' },
      fallbackRequest: { path: '/y' },
    });
    expect(result).toMatchObject({ data: { from: 'z' }, serviceName: 'backup', fallback: true });
    expect(stage.transport.sent[1]?.request.path).toBe('/y');
    expect(stage.transport.sent[1]?.request.headers).toMatchObject({ 'x-trace': '1' });
    expect(stage.transport.sent[1]?.request.headers).not.toHaveProperty('authorization');
  });

  it.each(['apikey', 'X-Api-Key', 'Cookie', 'x-auth-user', 'X-Amz-Security-Token', 'x-client-secret'])(
    'is not given the header %s',
    async (name) => {
      stage.failOn('a', refused);
      await stage.communicatorWith({ retry: false }).callServiceWithFallback({
        primaryService: 'users',
        fallbackService: 'backup',
        path: '/',
        headers: { [name]: 's3cret', 'idempotency-key': 'k1' },
      });
      expect(stage.transport.sent[1]?.request.headers).toEqual({
        accept: 'application/json',
        'idempotency-key': 'k1',
        [DEADLINE_HEADER]: expect.any(String),
      });
    },
  );

  it('may have a body of its own, of another kind than that of the primary', async () => {
    stage.failOn('a', refused);
    const { fallback } = await stage.communicatorWith({ retry: false }).callServiceWithFallback({
      primaryService: 'users',
      fallbackService: 'backup',
      method: 'POST',
      path: '/',
      json: { name: 'Ada' },
      fallbackRequest: { body: 'Ada' },
    });
    expect(fallback).toBe(true);
    expect(stage.transport.sent[1]?.request.body).toBe('Ada');
  });

  it('is not asked when the primary answered that there is no such thing', async () => {
    stage.transport.answer(() => ({ status: 404 }));
    const request = { primaryService: 'users', fallbackService: 'backup', path: '/x' };
    expect(await failure(stage.communicatorWith().callServiceWithFallback(request))).toMatchObject({ status: 404 });
    expect(stage.transport.sent).toHaveLength(1);
  });

  it('that fails too leaves both errors', async () => {
    stage.transport.answer(() => ({ status: 500 }));
    const request = { primaryService: 'users', fallbackService: 'backup', path: '/x' };
    const error = await failure(stage.communicatorWith().callServiceWithFallback(request));
    expect(error).toBeInstanceOf(FallbackFailedError);
    expect(error).toMatchObject({ primaryError: { service: 'users' }, fallbackError: { service: 'backup' } });
  });
});

describe('isFallbackWorthy', () => {
  it('turns to another service where a limit of our own for this one is reached', () => {
    const refusals = [
      new RateLimitedError({ rate: 1, perMs: 1_000 }),
      new ThrottledError({ probability: 0.5 }),
      new ConcurrencyLimitedError({ limit: 1, queue: 0 }),
    ];
    expect(refusals.map(isFallbackWorthy)).toEqual([true, true, true]);
    expect(isFallbackWorthy(new InvalidConfigurationError([]))).toBe(false);
  });
});
