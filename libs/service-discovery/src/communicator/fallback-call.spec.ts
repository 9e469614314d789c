import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DEADLINE_HEADER } from './call/deadline-header.js';
import { CallFixture, failure, refused } from '../testing/call-fixture.js';
import {
  ConcurrencyLimitedError,
  InvalidConfigurationError,
  RateLimitedError,
  ResponseStatusError,
  ThrottledError,
} from '../common/index.js';
import { FallbackFailedError, type FallbackRequest, isFallbackWorthy } from './fallback-call.js';

describe('a call with a fallback', () => {
  let stage: CallFixture;

  beforeEach(async () => {
    stage = await CallFixture.open();
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

  it('is answered by the fallback when the primary fails, without credentials of the primary', async () => {
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

  it('uses the fallback also if headers and signal are null, as JavaScript callers may write', async () => {
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

  it("may send the fallback a body of another kind than the primary's", async () => {
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

  it('is not passed on if the primary answered that the resource does not exist', async () => {
    stage.transport.answer(() => ({ status: 404 }));
    const request = { primaryService: 'users', fallbackService: 'backup', path: '/x' };
    expect(await failure(stage.communicatorWith().callServiceWithFallback(request))).toMatchObject({ status: 404 });
    expect(stage.transport.sent).toHaveLength(1);
  });

  describe('with a list of statuses', () => {
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

    it('uses the fallback if the primary sent no response', async () => {
      stage.failOn('a', refused);
      const result = await stage.communicatorWith({ retry: false }).callServiceWithFallback(request);
      expect(result).toMatchObject({ serviceName: 'backup', fallback: true });
    });
  });

  it("uses the fallback if a predicate on the error, including the response's body, says so", async () => {
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

  it('throws both errors if the fallback fails too', async () => {
    stage.transport.answer(() => ({ status: 501 }));
    const request = { primaryService: 'users', fallbackService: 'backup', path: '/x' };
    const error = await failure(stage.communicatorWith().callServiceWithFallback(request));
    expect(error).toBeInstanceOf(FallbackFailedError);
    expect(error).toMatchObject({ primaryError: { service: 'users' }, fallbackError: { service: 'backup' } });
  });

  describe('with a fallback function', () => {
    const request = { primaryService: 'users', path: '/' };

    it('returns its result in place of the error, which it receives', async () => {
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

    it('calls it only for errors that warrant a fallback, and throws its own error', async () => {
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

    it('calls it after the other service, with both errors', async () => {
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

    it('does not call it for a caller that aborted during the call to the fallback service', async () => {
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

    it('does not call it for a caller that aborted', async () => {
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
  it('is true when a local limit for the primary was reached', () => {
    const refusals = [
      new RateLimitedError({ rate: 1, perMs: 1_000 }),
      new ThrottledError({ probability: 0.5 }),
      new ConcurrencyLimitedError({ limit: 1, queue: 0 }),
    ];
    expect(refusals.map(isFallbackWorthy)).toEqual([true, true, true]);
    expect(isFallbackWorthy(new InvalidConfigurationError([]))).toBe(false);
  });
});
