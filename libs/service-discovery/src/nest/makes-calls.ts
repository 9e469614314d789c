import { type ModulesContainer } from '@nestjs/core';
import { ServiceCommunicator } from '../communicator/index.js';

/** The part of Nest's `InstanceWrapper` that lists the dependencies of a class or a factory. */
interface Wrapper {
  getCtorMetadata(): readonly { readonly token: unknown }[] | undefined;
  getPropertiesMetadata(): readonly { readonly wrapper: { readonly token: unknown } }[] | undefined;
}

/**
 * Whether anything in the app injects {@link ServiceCommunicator}, as typed clients and `HttpService` do. Call it once Nest has
 * instantiated the providers. Lookups at runtime, by `ModuleRef`, are not detected.
 */
export function makesCalls(modules: ModulesContainer): boolean {
  for (const { controllers, providers, injectables } of modules.values()) {
    // The library's own module.
    if (providers.has(ServiceCommunicator)) continue;
    for (const wrappers of [controllers, providers, injectables] as Iterable<ReadonlyMap<unknown, Wrapper>>) {
      for (const wrapper of wrappers.values()) if (takesCommunicator(wrapper)) return true;
    }
  }
  return false;
}

function takesCommunicator(wrapper: Wrapper): boolean {
  const ofConstructor = wrapper.getCtorMetadata() ?? [];
  const ofProperties = wrapper.getPropertiesMetadata() ?? [];
  // An optional dependency that is not there leaves a hole.
  return [...ofConstructor, ...ofProperties.map((property) => property.wrapper)].some(
    (dependency) => (dependency as { readonly token: unknown } | undefined)?.token === ServiceCommunicator,
  );
}
