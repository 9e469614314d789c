import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { InvalidInstanceError } from '../common/index.js';
import { type HealthCheckOptions, HealthMonitor, planChecks, resolveHealthCheckOptions } from '../health/index.js';
import { type ServiceRegistration } from '../model/index.js';
import { ChangingRegistry } from '../testing/registry-fixture.js';
import { ManualClock } from '../testing/index.js';
import { LeaseChoice } from './lease-choice.js';

const USERS: ServiceRegistration = { serviceName: 'users', host: '10.0.0.7', port: 8080 };

describe('what renews the lease of a registration', () => {
  let clock: ManualClock;
  let warnings: string[];
  beforeEach(() => {
    clock = new ManualClock();
    warnings = [];
    jest.spyOn(Logger.prototype, 'warn').mockImplementation((text: string) => void warnings.push(text));
  });
  afterEach(() => {
    jest.restoreAllMocks();
  });

  type Options = ConstructorParameters<typeof LeaseChoice>[1];
  const choice = (checks: Partial<HealthCheckOptions> | false = {}, more: Partial<Options> = {}): LeaseChoice => {
    const options = resolveHealthCheckOptions(checks === false ? {} : checks);
    const registry = Object.assign(new ChangingRegistry(), {
      setStatus: () => Promise.resolve(true),
      passedCheck: () => undefined,
    });
    const monitor = checks === false ? null : new HealthMonitor(registry, planChecks(options), options, { clock });
    return new LeaseChoice(monitor, { mode: 'memory_only', logging: {}, registry: {}, ...more }, clock);
  };

  it('are checks, or with a ttl heartbeats, unless it is said', () => {
    expect(choice().choose(USERS)).toBe('checks');
    expect(choice().choose({ ...USERS, ttl: '60s' })).toBe('heartbeat');
    expect(choice().choose({ ...USERS, ttl: '60s' }, 'checks')).toBe('checks');
    expect(choice().choose(USERS, 'heartbeat')).toBe('heartbeat');
    expect(warnings).toEqual([]);
  });

  it('are heartbeats where this process makes no checks, unless another process is the registry', () => {
    expect(choice(false).choose(USERS)).toBe('heartbeat');
    expect(choice(false, { mode: 'remote' }).choose(USERS)).toBe('checks');
    expect(warnings).toEqual([]);
  });

  it('are heartbeats where fewer than two checks fit into the lease, which is said once a minute', () => {
    const rare = choice({}, { registry: { serviceTtl: '59s' } });
    expect(rare.choose(USERS)).toBe('heartbeat');
    expect(rare.choose(USERS)).toBe('heartbeat');
    expect(warnings).toEqual([
      'users 10.0.0.7:8080 has to send heartbeats: its health checks come every 30 s, too seldom to keep a lease of 59 s. For ' +
        'checks to keep it, set serviceTtl to twice the interval or more, or shorten healthCheck.interval ' +
        '(health_check.interval of the registration)',
    ]);
    clock.advance(60_000);
    rare.choose(USERS);
    expect(warnings).toHaveLength(2);
    expect(choice({}, { registry: { serviceTtl: '60s' } }).choose(USERS)).toBe('checks');
  });

  it('goes by the interval that the instance, its service, or its lack of calls asks for', () => {
    expect(choice().choose({ ...USERS, healthCheck: { interval: '151s' } })).toBe('heartbeat');
    expect(choice({ services: { users: { interval: '151s' } } }).choose(USERS)).toBe('heartbeat');
    expect(choice({ idleInterval: '151s' }).choose(USERS)).toBe('heartbeat');
    expect(choice({ idleInterval: '150s' }).choose(USERS)).toBe('checks');
  });

  it('is not said where nothing is to be logged', () => {
    expect(choice({}, { registry: { serviceTtl: '59s' }, logging: false }).choose(USERS)).toBe('heartbeat');
    expect(warnings).toEqual([]);
  });

  it('is refused for what is no registration', () => {
    for (const wrong of [{ ...USERS, port: 0 }, undefined as never]) {
      expect(() => choice().choose(wrong)).toThrow(InvalidInstanceError);
    }
  });
});
