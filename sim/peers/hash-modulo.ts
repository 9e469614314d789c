import { type LoadBalancer, type PickResult, type ServiceInstance } from 'nest-service-discovery/core';

/** Naive hashing, as in many libraries: the hash of the key modulo the number of instances. */
export function hashModulo(): LoadBalancer {
  let listed: readonly ServiceInstance[] = [];
  return {
    update: (instances) => {
      listed = instances;
    },
    pick: ({ key = '' } = {}): PickResult => {
      const instance = listed[hash(key) % listed.length];
      if (!instance) return { kind: 'unavailable', reason: 'no_instances' };
      return { kind: 'picked', instance, done: () => undefined };
    },
  };
}

/** FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  return value >>> 0;
}
