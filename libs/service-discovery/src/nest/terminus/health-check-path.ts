import { type ApplicationConfig, type ModulesContainer } from '@nestjs/core';
import { type ApiOptions, DEFAULT_API_OPTIONS } from '../rest/index.js';
import { controllersAt, joinPaths, pathInApp } from '../declared-routes.js';
import { appControllerAt } from './health-controllers.js';
import { READINESS_PATH } from './probe.controllers.js';

/**
 * Where an app that listens for HTTP says whether it may get traffic, below the global prefix: the app's own route for
 * readiness, else its own health check, else the library's route for readiness. The app's come first, as they know
 * what the app needs. Null where there is none: that its port accepts connections has to do then.
 */
export function findHealthCheckPath(
  modules: ModulesContainer,
  config: ApplicationConfig,
  api: ApiOptions | false,
): string | null {
  const health = (api !== false && api.healthPath) || DEFAULT_API_OPTIONS.healthPath || 'health';
  const readiness = `${health}/${READINESS_PATH}`;
  const path = [readiness, health].find((own) => appControllerAt(modules, config, own)) ?? readiness;
  if ([...controllersAt(modules.values(), config, path)].length === 0) return null;
  return pathInApp(config, path);
}

/** Who answers at a path. */
export interface RouteOwner {
  /** The name of the controller. */
  readonly name: string;
  /** Whether the module has mounted it, so that the app decorates it by an option. */
  readonly isLibrary: boolean;
}

/** The controller that answers `GET` at a path, below the global prefix or beside it; undefined where none is found. */
export function ownerOfRoute(
  modules: ModulesContainer,
  config: ApplicationConfig,
  path: string,
): RouteOwner | undefined {
  const prefix = `${joinPaths(config.getGlobalPrefix())}/`;
  const whole = joinPaths(path);
  const declared = whole.startsWith(prefix) ? whole.slice(prefix.length) : whole;
  const own = appControllerAt(modules, config, declared);
  const [any] = controllersAt(modules.values(), config, declared);
  return any && { name: (own ?? any).name, isLibrary: own === undefined };
}
