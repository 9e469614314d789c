import { Inject, Logger, Module, type NestModule } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { LOG_CONTEXT } from '../logging.js';
import { appControllerAt, isHealthController } from './health-controllers.js';

/**
 * Lets an app's own health checks stand where they stand: with two controllers for one path, Fastify does not start, and
 * Express takes whichever comes first, so that the app's own checks may never run.
 */
@Module({})
export class HealthRouteModule implements NestModule {
  constructor(@Inject(ModulesContainer) private readonly modules: ModulesContainer) {}

  /** The one moment when all controllers are known and no route is bound yet. */
  configure(): void {
    for (const module of this.modules.values()) {
      for (const [token, { metatype }] of module.controllers) {
        if (!isHealthController(metatype)) continue;
        const path = Reflect.getMetadata('path', metatype) as string;
        const owner = appControllerAt(this.modules, path);
        if (!owner) continue;
        module.controllers.delete(token);
        new Logger(LOG_CONTEXT).log(`GET /${path} is answered by the app's own ${owner.name}`);
      }
    }
  }
}
