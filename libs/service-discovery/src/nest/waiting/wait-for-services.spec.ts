import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { messageOf, ServiceNotReadyError } from '../../common/index.js';
import { type HealthStatus, type OperatorStatus, type ServiceInstance } from '../../model/index.js';
import { type ServiceRegistry } from '../../registry/index.js';
import { type ManualClock } from '../../testing/manual-clock.js';
import { keyed, RegistryFixture, user } from '../../testing/registry-fixture.js';
import { type ServiceWaitDeps, type WaitForServiceOptions, waitForServices } from './wait-for-services.js';

let stage: RegistryFixture;
let clock: ManualClock;
let registry: ServiceRegistry;
/** How often the registry was looked at. */
let looks: number;
/** Watches of the registry that are open. */
let watches: number;
/** Which instance is chosen, unless it is the first that is not to be excluded. */
let choice: ServiceWaitDeps['choose'] | undefined;
let isAbandoned: boolean;

beforeEach(async () => {
  stage = new RegistryFixture();
  ({ clock } = stage);
  ({ registry } = await stage.started());
  [looks, watches, choice, isAbandoned] = [0, 0, undefined, false];
});
afterEach(async () => {
  await stage.close();
  expect(watches).toBe(0);
  expect(clock.pendingTimers).toBe(0);
});

const first: ServiceWaitDeps['choose'] = (_name, instances, { exclude }) =>
  instances.find(({ instanceId }) => exclude?.has(instanceId) !== true) ?? 'there is none';

function counted(of: ServiceRegistry): ServiceWaitDeps['registry'] {
  const counting: Partial<ServiceWaitDeps['registry']> = {
    servedInstances: (name) => {
      looks++;
      return of.servedInstances(name);
    },
    async *watch(...args) {
      watches++;
      try {
        yield* of.watch(...args);
      } finally {
        watches--;
      }
    },
  };
  return new Proxy(of, {
    get: (target, name) => {
      const own: unknown = Reflect.get(counting, name);
      const value: unknown = own ?? Reflect.get(target, name);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

function wait(
  names: string | readonly string[] = 'users',
  options: WaitForServiceOptions = {},
  of = registry,
): Promise<readonly ServiceInstance[]> {
  const deps = {
    registry: counted(of),
    clock,
    choose: choice ?? first,
    isAbandoned: () => isAbandoned,
    hint: () => 'A hint',
  };
  return waitForServices(deps, [names].flat(), options);
}

async function idsOf(waiting: Promise<readonly ServiceInstance[]>): Promise<string[]> {
  return (await waiting).map(({ instanceId }) => instanceId);
}

/** What a wait comes to when nothing more happens. */
async function failure(...args: Parameters<typeof wait>): Promise<ServiceNotReadyError> {
  const failed = wait(...args).catch((error: unknown) => error);
  await clock.advanceAsync(20_000);
  const error = await failed;
  expect(error).toBeInstanceOf(ServiceNotReadyError);
  return error as ServiceNotReadyError;
}

async function register(id: string, status: HealthStatus = 'healthy', name = 'users'): Promise<void> {
  await registry.register(user(id, { serviceName: name, version: '1.0.0' }), { heartbeat: 'manual' });
  if (status !== 'unknown') await say(id, status, name);
}

const say = (id: string, status: HealthStatus | OperatorStatus, name = 'users', reason?: string): Promise<boolean> =>
  registry.setStatus(keyed(id, name), status, reason === undefined ? undefined : { checkedAt: 0, reason });

/** Whether a promise has settled, after all that can happen without time going by. */
async function isOver(promise: Promise<unknown>): Promise<boolean> {
  let over = false;
  promise.then(
    () => (over = true),
    () => (over = true),
  );
  await stage.settled();
  return over;
}

describe('waiting for a service', () => {
  it('is over at once where it is there', async () => {
    await register('a', 'unhealthy');
    await register('b');
    expect(await idsOf(wait())).toEqual(['b']);
    expect(clock.now()).toBe(0);
  });

  it('goes on until an instance is found healthy', async () => {
    const waiting = wait();
    expect(await isOver(waiting)).toBe(false);
    await register('a', 'unknown');
    expect(await isOver(waiting)).toBe(false);
    await say('a', 'healthy');
    expect(await idsOf(waiting)).toEqual(['a']);
  });

  it('for a discoverable service accepts an unchecked instance', async () => {
    const waiting = wait('users', { status: 'discoverable' });
    await register('a', 'unknown');
    expect(await idsOf(waiting)).toEqual(['a']);
  });

  it.each([
    ['unhealthy', 'unhealthy'],
    ['draining', 'draining'],
    ['maintenance', 'in maintenance'],
  ] as const)('for one that is discoverable takes none that is %s', async (status, inWords) => {
    await register('a');
    await say('a', status);
    expect((await failure('users', { status: 'discoverable' })).missing[0]?.reason).toBe(
      `1 instance, none discoverable (a is ${inWords})`,
    );
  });

  it('goes on until there are as many as it takes', async () => {
    const waiting = wait('users', { minInstances: 2 });
    await register('a');
    await register('b', 'unknown');
    expect(await isOver(waiting)).toBe(false);
    await say('b', 'healthy');
    expect(await idsOf(waiting)).toEqual(['a']);
  });

  it('goes on until one fits the criteria', async () => {
    await register('a');
    const waiting = wait('users', { criteria: { tags: ['new'] } });
    expect(await isOver(waiting)).toBe(false);
    await registry.register(user('b', { tags: ['new'] }), { heartbeat: 'manual' });
    await say('b', 'healthy');
    expect(await idsOf(waiting)).toEqual(['b']);
  });

  it('goes on while none can be chosen of those that there are', async () => {
    await register('a');
    let reason: string | undefined = 'all are refused';
    choice = (...args) => reason ?? first(...args);
    expect((await failure()).missing[0]?.reason).toBe('1 instance, all are refused (a is healthy)');
    const waiting = wait();
    expect(await isOver(waiting)).toBe(false);
    reason = undefined;
    await register('b');
    expect(await idsOf(waiting)).toEqual(['a']);
  });

  it('goes on while the one that is chosen is none of those that it is for', async () => {
    await register('a', 'unknown');
    await register('b');
    choice = (_name, instances) => instances[0]!;
    expect((await failure()).missing[0]?.reason).toBe(
      '2 instances, no calls go to the healthy ones (a was not checked yet; b is healthy)',
    );
  });

  it('for several is over when all are there at the same moment, in the order asked for', async () => {
    const waiting = wait(['users', 'orders']);
    await register('a');
    await say('a', 'unhealthy');
    await register('o', 'healthy', 'orders');
    expect(await isOver(waiting)).toBe(false);
    await say('a', 'healthy');
    expect(await idsOf(waiting)).toEqual(['a', 'o']);
  });

  it('for none is over at once', async () => {
    expect(await wait([])).toEqual([]);
  });

  it('begins before the registry has answered, and lasts through an outage of it', async () => {
    const { registry: late } = stage.processOf();
    const waiting = wait('users', {}, late);
    expect(await isOver(waiting)).toBe(false);
    await late.start();
    stage.store.goAway();
    await clock.advanceAsync(1_000);
    stage.store.comeBack();
    await clock.advanceAsync(10_000);
    expect(await isOver(waiting)).toBe(false);
    await register('a');
    expect(await idsOf(waiting)).toEqual(['a']);
  });

  it('takes a service into what the process follows, and hears of it', async () => {
    const { registry: follower } = await stage.started({ follow: 'used' });
    const waiting = wait('users', {}, follower);
    expect(await isOver(waiting)).toBe(false);
    await register('a');
    expect(await idsOf(waiting)).toEqual(['a']);
  });
});

describe('a wait', () => {
  it('looks when its service changes, and else not at all', async () => {
    const waiting = wait();
    await stage.settled();
    expect(looks).toBe(1);
    await register('o', 'healthy', 'orders');
    await clock.advanceAsync(10_000);
    expect(looks).toBe(1);
    await register('a', 'unknown');
    await stage.settled();
    expect(looks).toBe(2);
    await say('a', 'healthy');
    await waiting;
    expect(looks).toBe(3);
  });

  it('has one timer and one listener, and leaves neither, whatever it comes to', async () => {
    await register('o', 'healthy', 'orders');
    const timers = clock.pendingTimers;
    const { signal } = new AbortController();
    const abort = new AbortController();
    const waits = [wait('users', { signal }), wait('users', { signal: abort.signal })];
    const failed = wait('other', { timeout: 1_000, signal }).catch((error: unknown) => error);
    await stage.settled();
    expect(clock.pendingTimers - timers).toBe(3);
    expect(watches).toBe(3);
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    abort.abort();
    await expect(waits[1]).rejects.toBe(abort.signal.reason);
    await clock.advanceAsync(1_000);
    expect(await failed).toBeInstanceOf(ServiceNotReadyError);
    await register('a');
    await waits[0];
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    expect(getEventListeners(abort.signal, 'abort')).toHaveLength(0);
    expect(watches).toBe(0);
    expect(clock.pendingTimers).toBe(timers);
  });

  it('may end by a signal that is none of the platform', async () => {
    await register('a');
    const older = Object.assign(new EventTarget(), { aborted: false }) as AbortSignal;
    expect(await idsOf(wait('users', { signal: older }))).toEqual(['a']);
  });

  it('ends at once for the reason of its signal', async () => {
    const abort = new AbortController();
    const waiting = wait('users', { signal: abort.signal });
    expect(await isOver(waiting)).toBe(false);
    const reason = new Error('not wanted any more');
    abort.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    await expect(wait('users', { signal: abort.signal })).rejects.toBe(reason);
    expect(clock.now()).toBe(0);
  });

  it('ends when the registry is closed', async () => {
    const waiting = wait(['users', 'orders']);
    const failed = expect(waiting).rejects.toMatchObject({
      code: 'REGISTRY_UNAVAILABLE',
      message:
        'The app shuts down: the wait for users, orders is over. See nest-service-discovery/docs/reference/errors.md#REGISTRY_UNAVAILABLE',
    });
    await stage.settled();
    await registry.close();
    await failed;
  });

  it('is abandoned when the registry is closed since a signal ends the process', async () => {
    isAbandoned = true;
    const waiting = wait();
    await stage.settled();
    await registry.close();
    expect(await isOver(waiting)).toBe(false);
    expect(clock.pendingTimers).toBe(0);
  });

  it('lasts for as long as it takes where that is wanted', async () => {
    const waiting = wait('users', { timeout: false });
    await clock.advanceAsync(100_000_000);
    expect(await isOver(waiting)).toBe(false);
    await register('a');
    expect(await idsOf(waiting)).toEqual(['a']);
  });

  it('without time looks once', async () => {
    expect(messageOf(await failure('users', { timeout: 0 }))).toBe(
      '"users" was not there within 0 ms: no instance of it is registered. A hint',
    );
    await register('a');
    const waiting = wait('users', { timeout: 0 });
    await stage.settled();
    expect(await idsOf(waiting)).toEqual(['a']);
  });

  it.each([['users'], [undefined], [{}]])('refuses %j in place of a list of names', async (names) => {
    const deps = { registry: counted(registry), clock, choose: first };
    await expect(waitForServices(deps, names as never, {})).rejects.toMatchObject({
      code: 'INVALID_CONFIGURATION',
      problems: [{ path: 'waitForService.serviceNames', value: names, expected: 'a list of names of services' }],
    });
    expect(registry.snapshot.connected).toBe(true);
  });

  it('refuses what is no name of a service, naming it and the rule, with the wrong options', async () => {
    const names = ['users', 'a b', undefined, {}] as string[];
    const refused = wait(names, { retries: 1 } as never);
    await expect(refused).rejects.toMatchObject({
      code: 'INVALID_CONFIGURATION',
      problems: [
        ...[1, 2, 3].map((index) => ({ path: `waitForService.serviceNames[${index}]`, value: names[index] })),
        { path: 'waitForService.retries' },
      ],
    });
    await expect(refused).rejects.toThrow(/serviceNames\[1\]: expected a name of 1 to 128 letters.*but got "a b"/);
  });

  it('refuses wrong options, all in one error', async () => {
    const options = { timeout: 'long', status: 'up', minInstances: 0, retries: 1 };
    await expect(wait('users', options as never)).rejects.toMatchObject({
      code: 'INVALID_CONFIGURATION',
      problems: ['retries', 'timeout', 'status', 'minInstances'].map((name) => ({ path: `waitForService.${name}` })),
    });
  });

  it('refuses a signal that is none, and criteria with a name or value that is wrong', async () => {
    const options = {
      signal: 3,
      criteria: { verison: '^9', tags: 'api', strategy: 'random', key: 'k', clientIp: '::1' },
    };
    await expect(wait('users', options as never)).rejects.toMatchObject({
      code: 'INVALID_CONFIGURATION',
      problems: [
        { path: 'waitForService.signal', expected: 'an AbortSignal' },
        { path: 'waitForService.criteria.verison', expected: 'no option of this name (did you mean "version"?)' },
        { path: 'waitForService.criteria.tags', expected: 'a list or a Set of texts' },
      ],
    });
  });

  it('refuses null in place of options', async () => {
    await expect(wait('users', null as never)).rejects.toMatchObject({ problems: [{ path: 'waitForService' }] });
  });
});

describe('a wait that was in vain', () => {
  it('tells how the instances were in place of what was waited for', async () => {
    for (const id of ['a', 'b', 'c', 'd', 'e']) await register(id, 'unknown');
    await say('a', 'unhealthy', 'users', 'status 503');
    await say('b', 'draining');
    const error = await failure();
    expect(error).toMatchObject({ code: 'SERVICE_NOT_READY', service: 'users', timeoutMs: 20_000 });
    expect(messageOf(error)).toBe(
      '"users" was not there within 20 s: 5 instances, none healthy ' +
        '(a is unhealthy: status 503; b is draining; c was not checked yet; 2 more). A hint',
    );
  });

  it.each<[string, WaitForServiceOptions, string]>([
    ['the criteria', { criteria: { version: '^2' } }, '1 instance, none healthy (a does not match the criteria)'],
    ['the number', { minInstances: 3 }, '1 instance, 1 of 3 healthy (a is healthy)'],
  ])('tells that it was for %s', async (_what, options, reason) => {
    await register('a');
    expect((await failure('users', options)).missing).toEqual([{ service: 'users', reason }]);
  });

  it('tells of weight 0', async () => {
    await registry.register(user('a', { weight: 0 }), { heartbeat: 'manual' });
    expect((await failure()).missing[0]?.reason).toBe('1 instance, none healthy (a has weight 0)');
  });

  it('tells what name was meant, but does not list all that there are', async () => {
    await register('a', 'healthy', 'user-service');
    expect((await failure('users-service')).missing[0]?.reason).toBe(
      'no instance of it is registered (did you mean "user-service"?)',
    );
    expect((await failure('payments')).missing[0]?.reason).toBe('no instance of it is registered');
  });

  it('tells of all that are missing, and of those alone', async () => {
    await register('a');
    const error = await failure(['orders', 'users', 'payments']);
    expect(error.missing.map(({ service }) => service)).toEqual(['orders', 'payments']);
    expect(error.service).toBeUndefined();
    expect(messageOf(error)).toBe(
      '2 services were not there within 20 s: "orders": no instance of it is registered; ' +
        '"payments": no instance of it is registered. A hint',
    );
  });

  it('tells that the registry is away', async () => {
    await register('a', 'unhealthy');
    stage.store.goAway();
    expect((await failure()).missing[0]?.reason).toBe(
      '1 instance, none healthy (a is unhealthy) (the registry cannot be reached, and that is what it said 20 s ago)',
    );
    const { registry: never } = stage.processOf();
    void never.start();
    expect((await failure('users', {}, never)).missing[0]?.reason).toBe(
      'No instance of "users" is known: the registry has not answered yet. The last attempt failed: The store is away',
    );
    const { registry: follower } = stage.processOf({ follow: 'used' });
    expect((await failure('users', {}, follower)).missing[0]?.reason).toMatch('the registry has not answered yet');
  });
});
