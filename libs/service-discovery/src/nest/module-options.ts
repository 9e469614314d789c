import { type DynamicModule, type Type } from '@nestjs/common';
import { type ModulesContainer } from '@nestjs/core';
import { isPlainObject, type Problem } from '../common/index.js';
import { lacksValue, type ServiceDiscoveryOptions, withoutSecrets } from './options/index.js';

/** The options that a module was created with, or `forRootAsync` if a factory creates them. */
export type GivenOptions = ServiceDiscoveryOptions | 'forRootAsync';

/** Options for comparison. An undefined `registryUrl` differs from one that was left out: with it, the app does not start. */
export function toGiven(options: ServiceDiscoveryOptions): ServiceDiscoveryOptions {
  return lacksValue(options, 'registryUrl') ? { ...options, registryUrl: NO_VALUE } : options;
}

const NO_VALUE = 'undefined';

/** Where a module keeps its {@link GivenOptions}. */
export const GIVEN_OPTIONS = Symbol('nest-service-discovery:given-options');

/**
 * Returns the same module for equal options, so that Nest instantiates it once per app. Modules that are no longer used can
 * be garbage collected.
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

/** Compares plain objects and lists by content, and everything else, such as a transport or a function, by identity. */
export function isSame(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, index) => isSame(item, b[index]));
  if (!isPlainObject(a) || !isPlainObject(b)) return false;
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].every((name) => isSame(a[name], b[name]));
}

/** The problems if an app contains more than one instance of the module; empty otherwise. */
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
