/**
 * Copies the identity of a function to its wrapper: name, length, own properties and all Reflect metadata, where Nest
 * and Swagger store routes, guards, pipes and documentation.
 */
export function mimic(wrapper: object, original: object): void {
  for (const key of Reflect.ownKeys(original)) {
    const descriptor = Object.getOwnPropertyDescriptor(original, key);
    if (key !== 'prototype' && descriptor && isOpen(wrapper, key)) Object.defineProperty(wrapper, key, descriptor);
  }
  for (const key of Reflect.getOwnMetadataKeys(original) as unknown[]) {
    Reflect.defineMetadata(key, Reflect.getOwnMetadata(key, original), wrapper);
  }
}

function isOpen(target: object, key: PropertyKey): boolean {
  return Object.getOwnPropertyDescriptor(target, key)?.configurable ?? true;
}
