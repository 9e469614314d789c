import { beforeEach, describe, expect, it } from '@jest/globals';
import { InvalidInstanceError, RegistryUnavailableError } from '../../common/index.js';
import { type InstanceKey, type Lease } from '../../model/index.js';
import { type RegisteredInstance } from '../../registry/index.js';
import { fakeInstance } from '../../testing/fake-instance.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { ServiceReadiness } from '../readiness/index.js';
import { Registrar } from './registrar.js';

const REGISTRATION = { serviceName: 'users', host: '127.0.0.1', port: 1 };
const LEASE: Lease = { serviceName: 'users', instanceId: 'a', generation: 1, ttlMs: 1_000 };

/** A registry whose registrations the test answers one by one. */
class FakeRegistry {
  readonly calls: { succeed(): void; fail(error: unknown): void }[] = [];
  readonly deregistered: InstanceKey[] = [];

  register(): Promise<RegisteredInstance> {
    return new Promise((resolve, reject) => {
      this.calls.push({
        succeed: () => resolve({ instance: fakeInstance(), lease: LEASE, replaced: false }),
        fail: reject,
      });
    });
  }

  async deregister(key: InstanceKey): Promise<boolean> {
    this.deregistered.push(key);
    return true;
  }
}

let clock: ManualClock;
let registry: FakeRegistry;
let errors: unknown[];
let warnings: unknown[];
let registrar: Registrar;

beforeEach(() => {
  clock = new ManualClock();
  registry = new FakeRegistry();
  errors = [];
  warnings = [];
  const logger = {
    error: (message: unknown) => void errors.push(message),
    warn: (message: unknown) => void warnings.push(message),
  };
  registrar = new Registrar({ registry, clock, random: () => 1, logger });
});

describe('an announcement', () => {
  it('is made again, at growing intervals, while the registry cannot be reached', async () => {
    registrar.register(REGISTRATION);
    const triedAt: number[] = [];
    for (let attempt = 1; attempt <= 8; attempt++) {
      triedAt.push(clock.now());
      registry.calls.at(-1)?.fail(new RegistryUnavailableError('away'));
      await clock.advanceAsync(Math.min(5_000, 250 * 2 ** (attempt - 1)));
      expect(registry.calls).toHaveLength(attempt + 1);
    }
    expect(triedAt).toEqual([0, 250, 750, 1_750, 3_750, 7_750, 12_750, 17_750]);
    expect(errors).toEqual([]);
  });

  it('that does not get through is told of, with the reason, once a minute', async () => {
    registrar.register(REGISTRATION);
    const failFor = async (ms: number, reason: string): Promise<void> => {
      for (const end = clock.now() + ms; clock.now() < end; await clock.advanceAsync(250)) {
        registry.calls.at(-1)?.fail(new RegistryUnavailableError(reason));
      }
    };
    await failFor(59_000, 'refused');
    expect(warnings).toEqual([`${REGISTRATION.serviceName} is not registered; it goes on trying: refused`]);
    await failFor(10_000, 'forbidden');
    expect(warnings.slice(1)).toEqual([`${REGISTRATION.serviceName} is not registered; it goes on trying: forbidden`]);
  });

  it('is not made again when the registry has refused it, which is logged', async () => {
    registrar.register(REGISTRATION);
    registry.calls[0]?.fail(new InvalidInstanceError([{ path: 'port', value: 0, expected: 'a port' }], 'users'));
    await clock.advanceAsync(60_000);
    expect(registry.calls).toHaveLength(1);
    expect(errors).toEqual([
      'users could not be registered: The registration of "users" is not valid: port: expected a port, but got 0',
    ]);
  });

  it('is given up at once when the app ends during a wait', async () => {
    registrar.register(REGISTRATION);
    registry.calls[0]?.fail(new RegistryUnavailableError('away'));
    await clock.advanceAsync(0);
    await registrar.stop();
    await clock.advanceAsync(60_000);
    expect(registry.calls).toHaveLength(1);
    expect(clock.pendingTimers).toBe(0);
  });

  it('is taken back when it arrives after the app has begun to end', async () => {
    registrar.register(REGISTRATION);
    const stopped = registrar.stop();
    registry.calls[0]?.succeed();
    await stopped;
    expect(registry.deregistered).toEqual([LEASE]);
  });
});

describe('an announcement of an app that is not ready', () => {
  let readiness: ServiceReadiness;
  let registered: InstanceKey[];
  let listeners: number;

  beforeEach(() => {
    readiness = new ServiceReadiness(clock);
    registered = [];
    listeners = 0;
    const counted: Pick<ServiceReadiness, 'check' | 'onChange'> = {
      check: () => readiness.check(),
      onChange: (listener) => {
        listeners++;
        const stop = readiness.onChange(listener);
        return () => {
          listeners--;
          stop();
        };
      },
    };
    const logger = { error: () => undefined, warn: (message: unknown) => void warnings.push(message) };
    const deps = { registry, clock, random: () => 1, logger, readiness: counted };
    registrar = new Registrar({ ...deps, registered: (key) => void registered.push(key) });
  });

  it('is made when the last hold is released, and told of', async () => {
    const releases = [readiness.hold('migrations run'), readiness.hold('the cache is cold')];
    registrar.register(REGISTRATION);
    await clock.advanceAsync(0);
    releases[0]?.();
    await clock.advanceAsync(0);
    expect(registry.calls).toHaveLength(0);
    releases[1]?.();
    await clock.advanceAsync(0);
    expect(registry.calls).toHaveLength(1);
    expect(clock.pendingTimers).toBe(0);
    registry.calls[0]?.succeed();
    await clock.advanceAsync(0);
    expect(registered).toEqual([LEASE]);
  });

  it('is made when its checks pass, which are looked at each second', async () => {
    let looks = 0;
    readiness.addCheck(() => ({ database: { status: ++looks < 3 ? 'down' : 'up' } }));
    registrar.register(REGISTRATION);
    await clock.advanceAsync(1_999);
    expect([looks, registry.calls.length]).toEqual([2, 0]);
    await clock.advanceAsync(1);
    expect([looks, registry.calls.length]).toEqual([3, 1]);
    expect(listeners).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });

  it('is told of on one line, whatever a check gives for a reason', async () => {
    readiness.addCheck(() => ({ database: { status: 'down', message: 'Invalid invocation:\r\n\nERROR at line 1' } }));
    registrar.register(REGISTRATION);
    await clock.advanceAsync(0);
    expect(warnings).toEqual(['users is not registered yet: database: Invalid invocation: ERROR at line 1']);
    await registrar.stop();
  });

  it('that has to wait is told of with the reasons, once a minute', async () => {
    readiness.hold('migrations run');
    registrar.register(REGISTRATION);
    await clock.advanceAsync(59_000);
    expect(warnings).toEqual(['users is not registered yet: migrations run']);
    await clock.advanceAsync(1_000);
    expect(warnings).toHaveLength(2);
    await registrar.stop();
  });

  it.each([
    ['is held', () => void readiness.hold('migrations run')],
    ['has a check that hangs', () => void readiness.addCheck(() => new Promise(() => undefined))],
  ])('is given up at once when the app ends while it %s', async (_what, prepare) => {
    prepare();
    registrar.register(REGISTRATION);
    await clock.advanceAsync(100);
    await registrar.stop();
    await clock.advanceAsync(60_000);
    expect(registry.calls).toHaveLength(0);
    expect(clock.pendingTimers).toBe(0);
  });
});
