import { type ModulesContainer } from '@nestjs/core';
import { ServiceCommunicator } from '../communicator/index.js';

type Methods = Readonly<Record<string, unknown>>;

/**
 * Whether a provider of the app has all of these methods. Avoids loading an optional package just to look for its classes,
 * which would take longer than the start of a small app. Goes by methods, since minifiers rename classes.
 */
export function providesAnyWith(modules: ModulesContainer, ...methods: readonly string[]): boolean {
  const hasAll = (one: Methods | null | undefined): boolean =>
    one != null && methods.every((method) => typeof one[method] === 'function');
  for (const { providers } of modules.values()) {
    // The library's own module.
    if (providers.has(ServiceCommunicator)) continue;
    for (const { metatype, instance } of providers.values()) {
      if (hasAll((metatype as { readonly prototype?: Methods } | null)?.prototype) || hasAll(instance as Methods)) {
        return true;
      }
    }
  }
  return false;
}
