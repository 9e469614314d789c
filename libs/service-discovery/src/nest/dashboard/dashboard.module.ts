import { Inject, Module, type NestModule } from '@nestjs/common';
import { ApplicationConfig, HttpAdapterHost, ModulesContainer } from '@nestjs/core';
import { InvalidConfigurationError } from '../../common/index.js';
import { joinPaths, mountedPathsOf, pathInApp } from '../declared-routes.js';
import { ServiceDiscoveryController } from '../rest/index.js';
import { servePage } from './page-server.js';

/**
 * Serves the dashboard beside the REST API, at `/service-discovery/ui` unless `api.path` is another one. Import it in the module
 * that imports `ServiceDiscoveryModule.forRoot()`. What the page shows comes from the API, under the API's rules of access.
 */
@Module({})
export class ServiceDiscoveryDashboardModule implements NestModule {
  constructor(
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
    @Inject(ApplicationConfig) private readonly config: ApplicationConfig,
    @Inject(ModulesContainer) private readonly modules: ModulesContainer,
  ) {}

  /**
   * Called by Nest when all controllers are known and no route is bound yet.
   * @throws InvalidConfigurationError if the app has no REST API, whose data the page shows
   */
  configure(): void {
    const paths = mountedPathsOf(this.modules.values(), ServiceDiscoveryController);
    if (paths.length === 0) {
      const expected = 'the REST API in the same app: ServiceDiscoveryModule.forRoot() without `api: false`';
      throw new InvalidConfigurationError([{ path: 'imports', value: ServiceDiscoveryDashboardModule.name, expected }]);
    }
    for (const path of paths) servePage(this.host.httpAdapter, pathInApp(this.config, joinPaths(path, 'ui')));
  }
}
