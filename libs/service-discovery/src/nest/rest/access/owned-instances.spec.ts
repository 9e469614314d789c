import { describe, expect, it } from '@jest/globals';
import { RegistryUnavailableError } from '../../../common/index.js';
import { ServiceRegistry } from '../../../registry/index.js';
import { MemoryRegistryStore } from '../../../store/index.js';
import { OwnedInstances } from './owned-instances.js';
import { RequestAccess } from './request-access.js';
import { Rights } from './rights.js';

const KEY = { serviceName: 'orders', instanceId: 'orders-1' };

function accessWith(rights: Rights): RequestAccess {
  const caller = { kind: 'token', id: 'token:orders' } as const;
  return new RequestAccess({ caller, rights }, false, { refuse: ({ message }) => new Error(message) });
}

describe('OwnedInstances', () => {
  it('lets only operators register an id that looks free while the registry is unreachable', async () => {
    const store = new MemoryRegistryStore();
    // It has not been started, so it has no snapshot.
    const registry = new ServiceRegistry(store);
    const instances = new OwnedInstances(registry);
    const registrant = accessWith(new Rights([{ may: ['register'] }]));
    await expect(instances.toReplace(registrant, KEY)).rejects.toThrow(RegistryUnavailableError);
    await expect(instances.toReplace(accessWith(Rights.all), KEY)).resolves.toBeUndefined();
    await registry.start();
    await expect(instances.toReplace(registrant, KEY)).resolves.toBeUndefined();
    await registry.close();
    await store.close();
  });
});
