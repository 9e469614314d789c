import { Inject, Injectable, type Type } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { InvalidConfigurationError, type Problem } from '../common/index.js';
import { ServiceCommunicator } from '../communicator/index.js';
import {
  adopt,
  bindServiceClient,
  discoverableOptionsOf,
  type DiscoverableServiceOptions,
  isServiceClient,
  ResiliencePolicies,
} from './decorators/index.js';

interface Discoverable {
  readonly target: Type;
  readonly options: DiscoverableServiceOptions;
}

/** The part of Nest's `InstanceWrapper` that is used here. */
interface Wrapper {
  readonly instance: unknown;
  readonly metatype: unknown;
  /** True for factory and value providers. */
  readonly isNotMetatype: boolean;
}

/** Reads the metadata of the library's decorators from the app's classes. */
@Injectable()
export class ServiceDiscoveryExplorer {
  constructor(
    @Inject(ModulesContainer) private readonly modules: ModulesContainer,
    @Inject(ServiceCommunicator) private readonly communicator: ServiceCommunicator,
    @Inject(ResiliencePolicies) private readonly policies: ResiliencePolicies,
  ) {}

  /**
   * The services that the app's modules, controllers and providers announce, each class once.
   * @throws InvalidConfigurationError where two classes announce the same instance
   */
  discoverables(): readonly DiscoverableServiceOptions[] {
    const found = new Map<Type, Discoverable>();
    for (const target of this.classes()) {
      const options = discoverableOptionsOf(target);
      if (options) found.set(target, { target, options });
    }
    const problems = findDoubles([...found.values()]);
    if (problems.length > 0) throw new InvalidConfigurationError(problems);
    return [...found.values()].map(({ options }) => options);
  }

  /**
   * Makes `@ResilientCall()` and `@ServiceClient()` work on instances of factory and value providers. Nest injects their
   * dependencies only into instances that it constructs itself.
   */
  wire(): void {
    for (const { instance, isNotMetatype } of this.wrappers()) {
      if (!isNotMetatype || typeof instance !== 'object' || instance === null) continue;
      adopt(instance, this.policies);
      const target = classOf(instance);
      if (target && isServiceClient(target)) bindServiceClient(instance, this.communicator);
    }
  }

  private *wrappers(): Iterable<Wrapper> {
    for (const module of this.modules.values()) {
      yield* module.controllers.values() as Iterable<Wrapper>;
      yield* module.providers.values() as Iterable<Wrapper>;
    }
  }

  private *classes(): Iterable<Type> {
    for (const module of this.modules.values()) yield module.metatype;
    for (const { metatype, instance } of this.wrappers()) {
      if (typeof metatype === 'function') yield metatype as Type;
      const target = classOf(instance);
      if (target) yield target;
    }
  }
}

/** Undefined for an object without a prototype, such as a module namespace, or with a `constructor` that is no function. */
function classOf(instance: unknown): Type | undefined {
  if (typeof instance !== 'object' || instance === null) return undefined;
  const target: unknown = instance.constructor;
  return typeof target === 'function' ? (target as Type) : undefined;
}

function findDoubles(found: readonly Discoverable[]): Problem[] {
  const owners = new Map<string, Type>();
  const problems: Problem[] = [];
  for (const { target, options } of found) {
    const id = JSON.stringify([options.name, options.instanceId, options.host, options.port]);
    const owner = owners.get(id);
    if (owner) {
      const expected = `a service that no other class announces (${owner.name} does already), or another instanceId`;
      problems.push({ path: `@DiscoverableService ${target.name}`, value: options.name, expected });
    }
    owners.set(id, target);
  }
  return problems;
}
