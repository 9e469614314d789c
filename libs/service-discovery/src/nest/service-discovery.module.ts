import {
  type DynamicModule,
  Inject,
  Module,
  type ModuleMetadata,
  type NestModule,
  Optional,
  type Provider,
  type Type,
} from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { assertOptions, InvalidConfigurationError } from '../common/index.js';
import { ServiceCommunicator } from '../communicator/index.js';
import { atStart } from './at-start.js';
import { asyncOptionsProviders, type ServiceDiscoveryAsyncOptions } from './async-options.js';
import { BundledRoutesModule } from './bundled-routes.module.js';
import { IncomingHook } from './incoming/index.js';
import { isServiceClient } from './decorators/index.js';
import { ShutdownStartModule } from './lifecycle/index.js';
import {
  findConflicts,
  GIVEN_OPTIONS,
  type GivenOptions,
  lacksRoot,
  SharedModules,
  toGiven,
} from './module-options.js';
import { resolveServiceDiscoveryOptions, type ServiceDiscoveryOptions } from './options/index.js';
import { CORE_EXPORTS, CORE_PROVIDERS } from './providers.js';
import { restControllers, restProviders } from './rest/index.js';
import { healthControllers } from './terminus/index.js';
import { SERVICE_DISCOVERY_OPTIONS } from './tokens.js';

const shared = new SharedModules();

const OPTIONS_OR_ASYNC = 'an object of options (forRootAsync takes a function that makes it, or a promise of it)';

/**
 * Service discovery and resilient calls for a whole app: import it once with `forRoot` or `forRootAsync`, and inject
 * `ServiceDiscovery`, `ServiceCommunicator` and the rest anywhere.
 */
@Module({})
export class ServiceDiscoveryModule implements NestModule {
  /** @throws InvalidConfigurationError when modules of one app were given different options */
  constructor(
    @Inject(ModulesContainer) modules: ModulesContainer,
    // A bare import of the class has no providers. Wrong options are reported by the providers that need them.
    @Optional() @Inject(IncomingHook) private readonly incoming?: IncomingHook,
  ) {
    atStart(() => {
      const conflicts = findConflicts(modules, ServiceDiscoveryModule);
      if (conflicts.length > 0) throw new InvalidConfigurationError(conflicts);
    });
  }

  /** Called by Nest between the app's body parsers and its routes. */
  configure(): void {
    this.incoming?.attach();
  }

  /**
   * Options take precedence over the `SERVICE_DISCOVERY_*` environment, the preset and the defaults, in this order. Several
   * modules of one app may import it with equal options, and then share everything.
   *
   * If a setting is wrong, the app does not start: one InvalidConfigurationError lists every wrong setting.
   * @throws InvalidConfigurationError if the argument is not an object of options
   */
  static forRoot(options: ServiceDiscoveryOptions = {}): DynamicModule {
    assertOptions('ServiceDiscoveryModule.forRoot', options, OPTIONS_OR_ASYNC);
    const given = toGiven(options);
    return shared.get(given, () =>
      rootModule(given, options, [], {
        provide: SERVICE_DISCOVERY_OPTIONS,
        useFactory: () => atStart(() => resolveServiceDiscoveryOptions(options, process.env)),
      }),
    );
  }

  /** The same with options from a factory, a class or a provider. Where several modules import it, give them one and the same result of this call. */
  static forRootAsync(options: ServiceDiscoveryAsyncOptions): DynamicModule {
    const providers = asyncOptionsProviders(options);
    return rootModule('forRootAsync', options, options.imports ?? [], ...providers);
  }

  /**
   * Provides typed clients to the module that imports it. The app does not start unless one of its modules imports `forRoot` or
   * `forRootAsync`, since clients call through its `ServiceCommunicator`.
   * @param clients classes with `@ServiceClient()`
   * @throws InvalidConfigurationError naming every class without the decorator
   */
  static forFeature(clients: readonly Type[]): DynamicModule {
    const problems = clients
      .filter((client) => !isServiceClient(client))
      .map(({ name }) => ({
        path: 'ServiceDiscoveryModule.forFeature',
        value: name,
        expected: 'classes with @ServiceClient()',
      }));
    if (problems.length > 0) throw new InvalidConfigurationError(problems);
    return { module: ServiceDiscoveryFeatureModule, providers: [...clients], exports: [...clients] };
  }
}

/** Holds the clients of one `forFeature`. */
@Module({})
class ServiceDiscoveryFeatureModule {
  /** @throws InvalidConfigurationError if the app has no communicator, without which the clients have no methods */
  constructor(@Inject(ModulesContainer) modules: ModulesContainer) {
    const all = [...modules.values()];
    // Not injected: an optional dependency hides the error of wrong options.
    if (all.some(({ exports }) => exports.has(ServiceCommunicator))) return;
    const names = all
      .filter(({ metatype }) => metatype === ServiceDiscoveryFeatureModule)
      .flatMap(({ providers }) => [...providers.values()])
      // A client that a test has overridden needs no communicator.
      .filter(({ metatype, token }) => metatype === token && isServiceClient(metatype as Type))
      .map(({ name }) => String(name));
    if (names.length === 0) return;
    atStart(() => {
      throw new InvalidConfigurationError([lacksRoot(`ServiceDiscoveryModule.forFeature([${names.join(', ')}])`)]);
    });
  }
}

/** The options that determine the controllers, which must be known before any provider exists. */
type RouteOptions = Pick<ServiceDiscoveryAsyncOptions, 'api' | 'health'>;

function rootModule(
  given: GivenOptions,
  routes: RouteOptions,
  imports: NonNullable<ModuleMetadata['imports']>,
  ...options: readonly Provider[]
): DynamicModule {
  const { controllers, providers } = httpApi(routes);
  return {
    module: ServiceDiscoveryModule,
    global: true,
    imports: [...imports, BundledRoutesModule, ShutdownStartModule],
    controllers,
    providers: [{ provide: GIVEN_OPTIONS, useValue: given }, ...options, ...CORE_PROVIDERS, ...providers],
    // Includes the controllers' dependencies, so that any module of the app may mount them.
    exports: [...CORE_EXPORTS, ...providers],
  };
}

function httpApi({ api, health }: RouteOptions): { controllers: Type[]; providers: Provider[] } {
  try {
    const controllers = [...restControllers(api), ...healthControllers(api, health?.decorators)];
    return { controllers, providers: restProviders(api) };
  } catch (error) {
    if (!(error instanceof InvalidConfigurationError)) throw error;
    // Told at the start, together with whatever else is wrong.
    return { controllers: [], providers: restProviders(false) };
  }
}
