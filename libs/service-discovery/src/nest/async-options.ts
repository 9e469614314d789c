import {
  type FactoryProvider,
  type InjectionToken,
  type ModuleMetadata,
  type Provider,
  type Type,
} from '@nestjs/common';
import { assertOptions, InvalidConfigurationError } from '../common/index.js';
import { atStart } from './at-start.js';
import { isSame } from './module-options.js';
import {
  type HealthOptions,
  type ResolvedServiceDiscoveryOptions,
  resolveServiceDiscoveryOptions,
  type ServiceDiscoveryOptions,
} from './options/index.js';
import { SERVICE_DISCOVERY_OPTIONS } from './tokens.js';

/** Options created at startup, for example from a config service: by a factory, a class or a provider. */
export interface ServiceDiscoveryAsyncOptions extends Pick<ModuleMetadata, 'imports'> {
  /**
   * Returns the options; wrap them in {@link defineServiceDiscoveryOptions} so that the compiler rejects misspelled
   * names.
   */
  useFactory?: (...args: never[]) => Made;
  /** Dependencies of `useFactory`. */
  inject?: FactoryProvider['inject'];
  /** Instead of `useFactory`: a class that creates the options and may inject what `imports` export. */
  useClass?: Type<ServiceDiscoveryOptionsFactory>;
  /** Instead of `useFactory`: a provider, exported by `imports`, that creates the options. */
  useExisting?: InjectionToken<ServiceDiscoveryOptionsFactory>;
  /** Must be given here rather than by the factory: controllers are determined before it runs. @default on */
  api?: ServiceDiscoveryOptions['api'];
  /**
   * Decorators of the health routes, here for the same reason; the other health options come from the factory. @default
   * `api.decorators`
   */
  health?: Pick<Partial<HealthOptions>, 'decorators'>;
}

/** Creates options for `forRootAsync`, by `useClass` or `useExisting`. */
export interface ServiceDiscoveryOptionsFactory {
  createServiceDiscoveryOptions(): Made;
}

/** Options that `forRootAsync` creates at startup. */
export type AsyncFactoryOptions = Omit<ServiceDiscoveryOptions, 'api' | 'health'> & {
  health?: Omit<Partial<HealthOptions>, 'decorators'>;
};

/**
 * The options as they are, for `useFactory` and `createServiceDiscoveryOptions`: TypeScript does not look for misspelled names in
 * what a function returns, and does in what this one is given.
 *
 * @example
 * ServiceDiscoveryModule.forRootAsync({
 *   inject: [ConfigService],
 *   useFactory: (config: ConfigService) =>
 *     defineServiceDiscoveryOptions({ mode: 'remote', registryUrl: config.getOrThrow<string>('REGISTRY_URL') }),
 * });
 */
export function defineServiceDiscoveryOptions(options: AsyncFactoryOptions): AsyncFactoryOptions {
  return options;
}

const FOR_ROOT_ASYNC = 'ServiceDiscoveryModule.forRootAsync';
const WAYS = ['useFactory', 'useClass', 'useExisting'] as const;

type Made = AsyncFactoryOptions | Promise<AsyncFactoryOptions>;

/**
 * The provider of the options and its dependencies.
 * @throws InvalidConfigurationError unless exactly one way to create the options is given
 */
export function asyncOptionsProviders(options: ServiceDiscoveryAsyncOptions): Provider[] {
  assertOptions(FOR_ROOT_ASYNC, options, `an object with one of ${WAYS.join(', ')}`);
  const given = WAYS.filter((name) => options[name] !== undefined);
  const [way] = given;
  if (way === undefined || given.length > 1) throw wrong(FOR_ROOT_ASYNC, given, `one of ${WAYS.join(', ')}`);
  const at = `${FOR_ROOT_ASYNC} ${way}`;
  const { useFactory, inject = [], useClass, useExisting } = options;
  if (useFactory !== undefined) {
    if (typeof useFactory !== 'function') throw wrong(at, useFactory, 'a function that makes the options');
    return [provider(at, options, inject, useFactory)];
  }
  if (useClass !== undefined && typeof useClass !== 'function') throw wrong(at, useClass, 'a class');
  const ask = (maker: Partial<ServiceDiscoveryOptionsFactory>): Made => {
    if (typeof maker.createServiceDiscoveryOptions === 'function') return maker.createServiceDiscoveryOptions();
    throw wrong(at, maker.constructor.name, 'to have createServiceDiscoveryOptions()');
  };
  const own = provider(at, options, [useClass ?? useExisting!], ask);
  return useClass ? [useClass, own] : [own];
}

/** @param at where the options come from, for errors */
function provider(
  at: string,
  { api, health }: ServiceDiscoveryAsyncOptions,
  inject: NonNullable<FactoryProvider['inject']>,
  make: (...args: never[]) => Made,
): Provider {
  return {
    provide: SERVICE_DISCOVERY_OPTIONS,
    inject,
    useFactory: async (...args: never[]) => {
      const made = await make(...args);
      return atStart(() => resolveMade(at, made, { api, health }));
    },
  };
}

function resolveMade(
  at: string,
  made: ServiceDiscoveryOptions,
  { api, health }: Pick<ServiceDiscoveryAsyncOptions, 'api' | 'health'>,
): ResolvedServiceDiscoveryOptions {
  assertOptions(at, made, 'to make an object of options');
  // It would be ignored, including a guard or `api: false`.
  if (made.api !== undefined && !isSame(made.api, api)) throw tooLate(`${at} api`, TOKEN_HINT);
  const { decorators } = health ?? {};
  if (made.health?.decorators !== undefined && !isSame(made.health.decorators, decorators)) {
    throw tooLate(`${at} health.decorators`);
  }
  const whole = decorators === undefined ? made.health : { ...made.health, decorators };
  return resolveServiceDiscoveryOptions({ ...made, api, health: whole }, process.env);
}

const TOKEN_HINT = '; for a token from ConfigService, leave out api and set SERVICE_DISCOVERY_TOKEN';

function tooLate(path: string, hint = ''): InvalidConfigurationError {
  return wrong(path, '***', `to stand beside it, since the controllers are determined before it runs${hint}`);
}

function wrong(path: string, value: unknown, expected: string): InvalidConfigurationError {
  return new InvalidConfigurationError([{ path, value, expected }]);
}
