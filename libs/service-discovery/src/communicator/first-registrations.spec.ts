import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { messageOf } from '../common/index.js';
import { CallFixture, failure } from '../testing/call-fixture.js';
import { type ServiceCommunicator } from './communicator.js';

describe('a call to a service that was never registered', () => {
  let stage: CallFixture;

  beforeEach(async () => {
    stage = await CallFixture.open();
  });

  afterEach(async () => {
    await stage.close();
    expect(stage.clock.pendingTimers).toBe(0);
  });

  const completed = (): unknown[] =>
    stage.events.flatMap(({ type, payload }) => (type === 'call.completed' ? [payload] : []));

  /** Whether a call made now is refused without any time passing. */
  async function isRefusedAtOnce(communicator: ServiceCommunicator, service = 'users'): Promise<boolean> {
    let isOver = false;
    const call = failure(communicator.callServiceJson(service, { path: '/' })).then(({ code }) => {
      expect(code).toBe('SERVICE_NOT_FOUND');
      isOver = true;
    });
    await stage.clock.advanceAsync(0);
    const wasOver = isOver;
    await stage.clock.advanceAsync(2_000);
    await call;
    return wasOver;
  }

  it('is sent as soon as the service registers, and its timeout runs from the beginning', async () => {
    const call = stage.communicatorWith().callServiceJson('users', { path: '/', timeout: '5s' });
    await stage.clock.advanceAsync(1_500);
    await stage.register('a');
    await expect(call).resolves.toEqual({ from: 'a' });
    const deadline = Number(stage.transport.sent[0]!.request.headers['x-request-deadline']);
    expect(deadline - stage.clock.epoch()).toBe(3_500);
    expect(completed()).toMatchObject([{ service: 'users', ok: true, attempts: 1, durationMs: 1_500 }]);
  });

  it('has only the rest of its timeout with lastGood as well', async () => {
    const communicator = stage.communicatorWith({ lastGood: {} });
    const call = communicator.callServiceJson('users', { path: '/', timeout: '5s' });
    await stage.clock.advanceAsync(1_500);
    await stage.register('a');
    await call;
    const deadline = Number(stage.transport.sent[0]!.request.headers['x-request-deadline']);
    expect(deadline - stage.clock.epoch()).toBe(3_500);
  });

  it('fails with SERVICE_NOT_FOUND after 2 s, suggesting a name', async () => {
    await stage.register('a');
    const call = failure(stage.communicatorWith().callService('user', { path: '/' }));
    await stage.clock.advanceAsync(1_999);
    expect(completed()).toEqual([]);
    await stage.clock.advanceAsync(1);
    await expect(call).resolves.toMatchObject({
      code: 'SERVICE_NOT_FOUND',
      message:
        'No service named "user" is registered (did you mean "users"?). See nest-service-discovery/docs/reference/errors.md#SERVICE_NOT_FOUND',
      attempts: 0,
    });
    expect(completed()).toMatchObject([{ service: 'user', ok: false, code: 'SERVICE_NOT_FOUND', durationMs: 2_000 }]);
  });

  it('waits no longer than waitForFirst', async () => {
    const call = failure(stage.communicatorWith({ waitForFirst: '300ms' }).callService('users', { path: '/' }));
    await stage.clock.advanceAsync(300);
    await expect(call).resolves.toMatchObject({ code: 'SERVICE_NOT_FOUND' });
    expect(await isRefusedAtOnce(stage.communicatorWith({ waitForFirst: false }))).toBe(true);
  });

  it.each(['its timeout', 'the deadline in its header', 'the deadline of its caller'])(
    'waits no longer than %s',
    async (limit) => {
      const { clock } = stage;
      const deadline = clock.epoch() + 250;
      const request = {
        'its timeout': { timeout: '250ms' as const },
        'the deadline in its header': { headers: { 'x-request-deadline': String(deadline) } },
      }[limit];
      const ambientDeadline = limit === 'the deadline of its caller' ? (): number => deadline : undefined;
      const communicator = stage.communicatorWith({}, { ambientDeadline });
      const call = failure(communicator.callService('users', { path: '/', ...request }));
      await clock.advanceAsync(249);
      expect(completed()).toEqual([]);
      await clock.advanceAsync(1);
      await expect(call).resolves.toMatchObject({ code: 'SERVICE_NOT_FOUND' });
    },
  );

  it('leaves a service that registers at the last moment the remaining time', async () => {
    stage.transport.hold();
    const call = failure(stage.communicatorWith().callService('users', { path: '/', timeout: '1s' }));
    await stage.clock.advanceAsync(900);
    await stage.register('a');
    await stage.clock.advanceAsync(0);
    expect(stage.transport.sent).toHaveLength(1);
    await stage.clock.advanceAsync(120);
    await expect(call).resolves.toMatchObject({ code: 'DEADLINE_EXCEEDED', attempts: 1 });
  });

  it('ends at once when its caller aborts or the communicator closes', async () => {
    const communicator = stage.communicatorWith();
    const controller = new AbortController();
    const reason = new Error('enough');
    const call = communicator.callService('users', { path: '/', signal: controller.signal });
    await stage.clock.advanceAsync(10);
    controller.abort(reason);
    await expect(call).rejects.toBe(reason);
    await expect(communicator.callService('users', { path: '/', signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    );
    const last = failure(communicator.callService('users', { path: '/' }));
    await communicator.close();
    await expect(last).resolves.toMatchObject({ code: 'ABORTED' });
  });

  it('fails at once if the request is invalid', async () => {
    await expect(failure(stage.communicatorWith().callService('users', { path: 'x' }))).resolves.toMatchObject({
      code: 'INVALID_REQUEST',
    });
  });

  it('does not wait once the process is older than 10 s', async () => {
    const communicator = stage.communicatorWith();
    await stage.clock.advanceAsync(9_999);
    const call = failure(communicator.callService('users', { path: '/' }));
    await stage.clock.advanceAsync(1);
    expect(completed()).toEqual([]);
    expect(await isRefusedAtOnce(communicator)).toBe(true);
    await expect(call).resolves.toMatchObject({ code: 'SERVICE_NOT_FOUND' });
  });

  it('does not wait for a service that was registered and left', async () => {
    const communicator = stage.communicatorWith();
    await stage.register('a');
    await stage.registry.deregister({ serviceName: 'users', instanceId: 'a' });
    expect(await isRefusedAtOnce(communicator)).toBe(true);
    expect(await isRefusedAtOnce(communicator, 'orders')).toBe(false);
  });

  it('uses the tier that the service declares', async () => {
    const communicator = stage.communicatorWith({ patterns: { data: { attemptTimeout: '1234ms' } } });
    const call = communicator.callServiceJson('users', { path: '/' });
    await stage.clock.advanceAsync(100);
    await stage.registerOne({ instanceId: 'a', tier: 'data' });
    await call;
    const deadline = Number(stage.transport.sent[0]!.request.headers['x-request-deadline']);
    expect(deadline - stage.clock.epoch()).toBe(1_234);
  });
});

describe('the suggestion for an unknown name', () => {
  it('is computed for 20 names a second, so that names from outside cost little time', async () => {
    const stage = await CallFixture.open();
    await stage.register('a');
    const communicator = stage.communicatorWith({ waitForFirst: false });
    const messageFor = async (name: string): Promise<string> =>
      messageOf(await failure(communicator.callService(name, { path: '/' })));
    for (let index = 0; index < 20; index++) await messageFor(`other-${index}`);
    expect(await messageFor('user')).toBe(
      'No service named "user" is registered. Check the name, or start the service',
    );
    await stage.clock.advanceAsync(1_000);
    expect(await messageFor('user')).toBe('No service named "user" is registered (did you mean "users"?)');
    await stage.close();
  });
});
