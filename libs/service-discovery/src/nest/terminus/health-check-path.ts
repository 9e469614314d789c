import { RequestMethod } from '@nestjs/common';
import { type ApplicationConfig, type ModulesContainer } from '@nestjs/core';
import { type ApiOptions, DEFAULT_API_OPTIONS } from '../rest/index.js';
import { controllersAt, joinPaths } from '../declared-routes.js';
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
  const path = [readiness, health].find((own) => appControllerAt(modules, own)) ?? readiness;
  if ([...controllersAt(modules.values(), path)].length === 0) return null;
  const prefix = isExcluded(config, path) ? '' : config.getGlobalPrefix();
  return `/${joinPaths(prefix, path)}`;
}

/** Whether `setGlobalPrefix` was told to leave the route out. */
function isExcluded(config: ApplicationConfig, path: string): boolean {
  return (config.getGlobalPrefixOptions().exclude ?? []).some(
    ({ pathRegex, requestMethod }) =>
      [RequestMethod.GET, RequestMethod.ALL].includes(requestMethod) && pathRegex.test(`/${path}`),
  );
}
