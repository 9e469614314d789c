import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { InvalidConfigurationError } from '../../common/index.js';
import { FlakyRegistryStore } from '../../testing/flaky-registry-store.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { ServiceRegistry } from '../service-registry.js';
import { type ListedGateway, ListedGateways, readListedGateways } from './listed-gateways.js';

const KONG = 'http://kong:8000/users';
const USERS: ListedGateway = { service: 'users', url: KONG, share: 20 };

describe('the gateways of a list of services', () => {
  it('begin with their share, all calls where it is left out', () => {
    const services = [
      { name: 'users', via: KONG, share: 20 },
      { name: 'mail', via: 'https://kong' },
      { name: 'orders' },
    ];
    expect(readListedGateways(services, 'services')).toEqual([
      USERS,
      { service: 'mail', url: 'https://kong', share: 100 },
    ]);
  });

  it.each([
    [{ via: 'kong:8000' }, 'services[0].via'],
    [{ via: 'redis://kong:8000' }, 'services[0].via'],
    [{ via: 'http://ada:secret@kong:8000' }, 'services[0].via'],
    [{ via: KONG, share: 101 }, 'services[0].share'],
    [{ via: KONG, share: '20' }, 'services[0].share'],
    [{ share: 20 }, 'services[0].via'],
  ])('are refused with %j, naming the field', (fields, path) => {
    const read = () => readListedGateways([{ name: 'users', ...fields }], 'services');
    expect(read).toThrow(InvalidConfigurationError);
    expect(read).toThrow(`${path}: `);
    expect(read).not.toThrow('secret');
  });
});

describe('listed gateways', () => {
  let clock: ManualClock;
  let store: FlakyRegistryStore;
  let registry: ServiceRegistry;
  const refused: unknown[] = [];
  const start = async (gateway: ListedGateway): Promise<ListedGateways> => {
    const listed = new ListedGateways([gateway], { registry, clock, refused: (_, error) => refused.push(error) });
    await listed.start();
    return listed;
  };

  beforeEach(async () => {
    clock = new ManualClock();
    store = new FlakyRegistryStore(clock);
    registry = new ServiceRegistry(store, {}, { clock });
    await registry.start();
  });
  afterEach(async () => {
    await registry.close();
    await store.close();
    expect(refused).toEqual([]);
  });

  it('are told to the registry, and keep a share that was set at run time', async () => {
    await (await start(USERS)).close();
    expect(registry.splitOf('users')).toEqual({ via: { url: KONG, share: 20 } });
    await registry.setShare('users', 50);
    await (await start(USERS)).close();
    expect(registry.splitOf('users')).toEqual({ via: { url: KONG, share: 50 } });
  });

  it('have the address of the process that started last, which others do not undo', async () => {
    const old = await start(USERS);
    const moved = { ...USERS, url: 'http://kong-2:8000/users' };
    const recent = await start(moved);
    await clock.advanceAsync(10_000);
    expect(registry.splitOf('users')?.via).toEqual({ url: moved.url, share: 20 });
    await Promise.all([old.close(), recent.close()]);
  });

  it('are told later where the registry refuses writes at first', async () => {
    store.refuse('setSplit', 1);
    const listed = await start(USERS);
    expect(registry.splitOf('users')).toBeUndefined();
    await clock.advanceAsync(10_000);
    expect(registry.splitOf('users')?.via?.share).toBe(20);
    await listed.close();
  });

  it('keep the share that a registry lost, for calls in between too', async () => {
    const listed = await start(USERS);
    await registry.setShare('users', 50);
    const shares: unknown[] = [];
    registry.onChange(({ splits }) => shares.push(splits.get('users')?.via?.share));
    await store.restart();
    await clock.advanceAsync(1_000);
    expect(registry.splitOf('users')?.via?.share).toBe(50);
    expect(new Set(shares)).toEqual(new Set([50]));
    expect(store.calls.filter(({ method }) => method === 'setSplit')).toHaveLength(3);
    await listed.close();
  });
});

describe('the share of a service', () => {
  it('needs a gateway, and per cent', async () => {
    const registry = new ServiceRegistry(new FlakyRegistryStore(new ManualClock()));
    await registry.start();
    await expect(registry.setShare('users', 20)).rejects.toThrow("services: [{ name: 'users', via:");
    await expect(registry.setShare('users', 101)).rejects.toThrow('a number from 0 to 100');
    await registry.close();
  });
});
