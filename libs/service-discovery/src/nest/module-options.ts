import { type DynamicModule, type Type } from '@nestjs/common';
import { type ModulesContainer } from '@nestjs/core';
import { isPlainObject, type Problem } from '../common/index.js';
import { lacksValue, type ServiceDiscoveryOptions, withoutSecrets } from './options/index.js';

/** What a module was made with, as it was given: the options, or the word that a factory makes them. */
export type GivenOptions = ServiceDiscoveryOptions | 'forRootAsync';

/** Options as they are compared: a `registryUrl` without a value is not one that was left out, since the start goes by it. */
export function toGiven(options: ServiceDiscoveryOptions): ServiceDiscoveryOptions {
  return lacksValue(options, 'registryUrl') ? { ...options, registryUrl: NO_VALUE } : options;
}

const NO_VALUE = 'undefined';

/** Where a module keeps its {@link GivenOptions}. */
export const GIVEN_OPTIONS = Symbol('nest-service-discovery:given-options');

/**
 * Hands out one and the same module for equal options, which Nest then makes once an app. Modules that no app uses any
 * more are let go.
 */
export class SharedModules {
  private refs: WeakRef<DynamicModule>[] = [];
  private readonly options = new WeakMap<DynamicModule, ServiceDiscoveryOptions>();

  get(options: ServiceDiscoveryOptions, make: () => DynamicModule): DynamicModule {
    this.refs = this.refs.filter((ref) => ref.deref() !== undefined);
    for (const ref of this.refs) {
      const module = ref.deref();
      if (module && isSame(this.options.get(module), options)) return module;
    }
    const module = make();
    this.options.set(module, options);
    this.refs.push(new WeakRef(module));
    return module;
  }
}

/** Plain objects and lists are compared by what they hold; all else, such as a transport, a guard or a function, by identity. */
export function isSame(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, index) => isSame(item, b[index]));
  if (!isPlainObject(a) || !isPlainObject(b)) return false;
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].every((name) => isSame(a[name], b[name]));
}

/** What is wrong where an app holds the module more than once; empty where it does not. */
export function findConflicts(modules: ModulesContainer, metatype: Type): Problem[] {
  const given = [...modules.values()]
    .filter((module) => module.metatype === metatype)
    .map((module) => module.providers.get(GIVEN_OPTIONS)?.instance as GivenOptions | undefined)
    // The bare class among some module's imports asks for nothing of its own.
    .filter((options) => options !== undefined);
  if (given.length === 0) {
    return [lacksRoot(metatype.name)];
  }
  if (given.length === 1) return [];
  if ([...modules.values()].some((module) => module.metatype.name === TESTING_MODULE)) {
    return [{ path: 'imports', value: TESTING_MODULE, expected: IN_PLACE_OF_THE_OWN }];
  }
  const lists = given.filter((options) => options !== 'forRootAsync');
  if (lists.length < given.length) {
    const value = given.map((options) => (options === 'forRootAsync' ? options : 'forRoot'));
    return [
      {
        path: 'ServiceDiscoveryModule',
        value,
        expected: `one forRootAsync, imported by one module of the app${WAY_OUT}`,
      },
    ];
  }
  const names = new Set(lists.flatMap((options) => Object.keys(options) as (keyof ServiceDiscoveryOptions)[]));
  return [...names]
    .map((name) => ({ name, values: lists.map((options) => options[name]) }))
    .filter(({ values }) => !values.every((value) => isSame(value, values[0])))
    .map(({ name, values }) => ({
      path: `ServiceDiscoveryModule.forRoot ${name}`,
      value: values.map((value) => withoutSecrets(value) ?? null),
      expected: `the same value wherever the app imports the module${WAY_OUT}`,
    }));
}

/** @param value what the app imports without it */
export function lacksRoot(value: string): Problem {
  const expected = `ServiceDiscoveryModule.forRoot() or forRootAsync() in one module of the app (in a test, ${TESTING_MODULE}.forRoot())`;
  return { path: 'imports', value, expected };
}

/** The class is in a layer below. */
const TESTING_MODULE = 'ServiceDiscoveryTestingModule';
const IN_PLACE_OF_THE_OWN =
  'no other ServiceDiscoveryModule beside it; where the app imports that, leave this one out and test with ' +
  'overrideProvider(SERVICE_DISCOVERY_OPTIONS).useValue(ServiceDiscoveryTestingModule.options({ services }))';

const WAY_OUT = ' (it is global: importing it in the root module is enough)';
