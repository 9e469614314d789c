import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DEADLINE_HEADER } from './call/deadline-header.js';
import { CallStage, failure, refused } from '../testing/call-stage.js';
import {
  ConcurrencyLimitedError,
  InvalidConfigurationError,
  RateLimitedError,
  ResponseStatusError,
  ThrottledError,
} from '../common/index.js';
import { FallbackFailedError, type FallbackRequest, isFallbackWorthy } from './fallback-call.js';

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

  it('turns to the fallback also where headers and who may end it are null, as JavaScript says that there are none', async () => {
    stage.failOn('a', refused);
    const none = { headers: null, signal: null, cancellation: null } as object;
    const request = { primaryService: 'users', fallbackService: 'backup', path: '/', ...none };
    const result = await stage.communicatorWith({ retry: false }).callServiceWithFallback(request);
    expect(result).toMatchObject({ serviceName: 'backup', fallback: true });
  });

  it.each(['apikey', 'api_key', 'X-Api-Key', 'Cookie', 'x-auth-user', 'X-Amz-Security-Token', 'x-client-secret'])(
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

  describe('for the statuses that the caller lists', () => {
    const request = {
      primaryService: 'users',
      fallbackService: 'backup',
      path: '/',
      fallbackOn: [404, [500, 502]],
    } as const;
    const answeredWith = (status: number): Promise<unknown> => {
      stage.transport.answer(({ instanceId }) => ({ status: instanceId === 'a' ? status : 200, body: {} }));
      return stage.communicatorWith({ retry: false }).callServiceWithFallback(request);
    };

    it.each([404, 500, 502])('answers in place of a %i', async (status) => {
      expect(await answeredWith(status)).toMatchObject({ serviceName: 'backup', primaryError: { status } });
    });

    it.each([403, 503])('does not answer in place of a %i', async (status) => {
      expect(await failure(answeredWith(status))).toMatchObject({ status });
      expect(stage.transport.sent).toHaveLength(1);
    });

    it('answers where the primary did not', async () => {
      stage.failOn('a', refused);
      const result = await stage.communicatorWith({ retry: false }).callServiceWithFallback(request);
      expect(result).toMatchObject({ serviceName: 'backup', fallback: true });
    });
  });

  it('answers where a function of the error, with the body of the response in it, says so', async () => {
    stage.transport.answer(({ instanceId }) =>
      instanceId === 'a' ? { status: 422, body: { code: 'moved' } } : { body: { from: instanceId } },
    );
    const fallbackOn = (error: unknown): boolean =>
      error instanceof ResponseStatusError && (error.body as { code?: string }).code === 'moved';
    const request = { primaryService: 'users', fallbackService: 'backup', path: '/', fallbackOn };
    expect(await stage.communicatorWith().callServiceWithFallback(request)).toMatchObject({ serviceName: 'backup' });
    expect(
      await failure(stage.communicatorWith().callServiceWithFallback({ ...request, fallbackOn: () => false })),
    ).toMatchObject({ status: 422 });
  });

  it('that fails too leaves both errors', async () => {
    stage.transport.answer(() => ({ status: 501 }));
    const request = { primaryService: 'users', fallbackService: 'backup', path: '/x' };
    const error = await failure(stage.communicatorWith().callServiceWithFallback(request));
    expect(error).toBeInstanceOf(FallbackFailedError);
    expect(error).toMatchObject({ primaryError: { service: 'users' }, fallbackError: { service: 'backup' } });
  });

  describe('of a function', () => {
    const request = { primaryService: 'users', path: '/' };

    it('answers in place of the error, of which it is told', async () => {
      stage.failOn('a', refused);
      const errors: unknown[] = [];
      const fallback = async (error: unknown): Promise<object> => {
        errors.push(error);
        return { from: 'cache' };
      };
      const result = await stage.communicatorWith({ retry: false }).callServiceWithFallback({ ...request, fallback });
      expect(result).toMatchObject({ data: { from: 'cache' }, fallback: true, primaryError: errors[0] });
      expect(result.serviceName).toBeUndefined();
      expect(errors).toMatchObject([{ code: 'TRANSPORT_FAILURE' }]);
      expect(stage.events.find(({ type }) => type === 'call.failed_over')?.payload).toMatchObject({ to: 'fallback' });
    });

    it('is asked only for what a fallback is worth, and its own error is what is thrown', async () => {
      stage.transport.answer(() => ({ status: 404 }));
      const communicator = stage.communicatorWith({ retry: false });
      const fallback = (): never => {
        throw new RangeError('no fallback either');
      };
      expect((await failure(communicator.callServiceWithFallback({ ...request, fallback }))).code).toBe(
        'RESPONSE_STATUS',
      );
      stage.transport.answer(() => ({ status: 500 }));
      expect((await failure(communicator.callServiceWithFallback({ ...request, fallback }))).name).toBe('RangeError');
    });

    it('comes after the other service, and is told of both', async () => {
      stage.transport.answer(() => {
        throw refused();
      });
      const fallback = (error: unknown): unknown => (error as Error).name;
      const result = await stage
        .communicatorWith({ retry: false })
        .callServiceWithFallback({ ...request, fallbackService: 'backup', fallback });
      expect(result).toMatchObject({ data: 'FallbackFailedError', primaryError: { code: 'TRANSPORT_FAILURE' } });
      expect(stage.transport.sent).toHaveLength(2);
    });

    it('does not answer a caller who gave up while the other service was asked', async () => {
      stage.failOn('a', refused);
      const controller = new AbortController();
      const communicator = stage.communicatorWith({ retry: false });
      stage.transport.answer(({ serviceName }) => {
        if (serviceName === 'users') throw refused();
        controller.abort(new Error('left'));
        return {};
      });
      let asked = 0;
      const { signal } = controller;
      const fallback = (): number => ++asked;
      await failure(communicator.callServiceWithFallback({ ...request, fallbackService: 'backup', fallback, signal }));
      expect(asked).toBe(0);
    });

    it('does not answer a caller who gave up', async () => {
      stage.transport.hold();
      const controller = new AbortController();
      let asked = 0;
      const fallback = (): number => ++asked;
      const call = failure(
        stage.communicatorWith().callServiceWithFallback({ ...request, fallback, signal: controller.signal }),
      );
      await stage.transport.nextHeld();
      controller.abort(new Error('left'));
      expect((await call).message).toBe('left');
      expect(asked).toBe(0);
    });

    it.each([[{}], [{ fallback: 'cache' as never }]])('or a service has to be given (%j)', async (given) => {
      const error = await failure(stage.communicatorWith().callServiceWithFallback({ ...request, ...given }));
      expect(error.code).toBe('INVALID_REQUEST');
      expect(error.message).toContain('fallback');
      expect(stage.transport.sent).toHaveLength(0);
    });
  });

  it.each([
    [undefined, "request: expected an object such as { path: '/' }, but got nothing"],
    [{ primaryService: '' }, 'primaryService: expected the name of a service, but got ""'],
    [{ fallbackService: 3 }, 'fallbackService: expected the name of a service, but got 3'],
    [
      { fallbackServce: 'backup' },
      'fallbackServce: expected no option of this name (did you mean "fallbackService"?), but got "backup"',
    ],
    [{ tiemout: 1 }, 'tiemout: expected no option of this name (did you mean "timeout"?), but got 1'],
    [{ signal: 3 }, 'signal: expected an AbortSignal, but got 3'],
    [{ headers: 'x' }, 'headers: expected an object such as'],
    [{ fallback: 'cache' }, 'fallback: expected a function, but got "cache"'],
    ...[3, '503', ['503'], [200], [[503, 500]]].map(
      (fallbackOn) => [{ fallbackOn }, 'fallbackOn: expected a list of statuses from 400 to 599'] as const,
    ),
    [{ fallbackRequest: 3 }, "fallbackRequest: expected an object such as { path: '/' }, but got 3"],
    [{ fallbackRequest: { headers: [] } }, 'fallbackRequest.headers: expected an object such as'],
    [
      { fallbackRequest: { pth: '/y' } },
      'fallbackRequest.pth: expected no option of this name (did you mean "path"?), but got "/y"',
    ],
  ])(
    'that is wrong (%j) is refused before anything is sent, whatever leads to the fallback',
    async (given, message) => {
      const right = { primaryService: 'users', fallbackService: 'backup', path: '/', fallbackOn: () => true };
      const request = (given && { ...right, ...given }) as unknown as FallbackRequest;
      const error = await failure(stage.communicatorWith().callServiceWithFallback(request));
      expect(error.code).toBe('INVALID_REQUEST');
      expect(error.message).toContain(message);
      expect(stage.transport.sent).toHaveLength(0);
    },
  );

  it('may be an instance of a class, with fields of its own', async () => {
    class UserRequest {
      readonly primaryService = 'users';
      readonly fallbackService = 'backup';
      readonly fallbackRequest = new UserPath(8);
      constructor(private readonly userId: number) {}
      get path(): string {
        return `/users/${this.userId}`;
      }
    }
    class UserPath {
      constructor(private readonly userId: number) {}
      get path(): string {
        return `/old/${this.userId}`;
      }
    }
    stage.failOn('a', refused);
    await stage.communicatorWith({ retry: false }).callServiceWithFallback(new UserRequest(7));
    expect(stage.transport.sent.map(({ request }) => request.path)).toEqual(['/users/7', '/old/8']);
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
