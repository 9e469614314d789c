/**
 * Makes a wrapper pass for the function that it wraps: its name, its length, its own properties and all of its
 * Reflect metadata, which is where Nest and Swagger keep routes, guards, pipes and documentation.
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
