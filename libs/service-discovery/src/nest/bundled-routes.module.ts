import { Inject, Logger, Module, type NestModule, type Type } from '@nestjs/common';
import { ApplicationConfig, ModulesContainer } from '@nestjs/core';
import { findMounted, isLibraryModule, modulesOfApp, pathsOf } from './declared-routes.js';
import { LOG_CONTEXT } from './logging.js';
import { REST_CONTROLLERS } from './rest/index.js';
import { appControllerAt, isHealthController } from './terminus/index.js';

/**
 * Lets the app's own routes stand where the library would mount the same: with two controllers for one path, Fastify does not
 * start, and Express takes the first one, so that the app's own may never run.
 */
@Module({})
export class BundledRoutesModule implements NestModule {
  constructor(
    @Inject(ModulesContainer) private readonly modules: ModulesContainer,
    @Inject(ApplicationConfig) private readonly config: ApplicationConfig,
  ) {}

  /** The one moment when all controllers are known and no route is bound yet. */
  configure(): void {
    for (const { controllers } of [...this.modules.values()].filter(isLibraryModule)) {
      for (const [token, { metatype }] of controllers) {
        const [path = ''] = pathsOf(metatype as Type);
        const owner = isHealthController(metatype)
          ? appControllerAt(this.modules, this.config, path)
          : this.findOwn(metatype as Type, path);
        if (!owner) continue;
        controllers.delete(token);
        new Logger(LOG_CONTEXT).log(`/${path} is answered by the app's own ${owner.name}`);
      }
    }
  }

  /** One of the REST API's controllers, which a module of the app mounts. */
  private findOwn(metatype: Type, path: string): Type | undefined {
    const ours = REST_CONTROLLERS.find((one) => metatype === one || metatype.prototype instanceof one);
    return ours && findMounted(modulesOfApp(this.modules), ours, path);
  }
}
