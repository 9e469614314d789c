import { RequestMethod } from '@nestjs/common';
import { type ApplicationConfig, type ModulesContainer } from '@nestjs/core';
import { type ApiOptions, DEFAULT_API_OPTIONS } from '../rest/index.js';
import { answersGet } from './declared-routes.js';

/**
 * Where an app that listens for HTTP answers a health check: the library's own route, or a controller of the app's at
 * that path, below the global prefix. Null where there is neither: that its port accepts connections has to do then.
 * @param base the path of the registration, which stands before every health check path
 */
export function findHealthCheckPath(
  modules: ModulesContainer,
  config: ApplicationConfig,
  api: ApiOptions | false,
  base = '',
): string | null {
  const path = (api !== false && api.healthPath) || DEFAULT_API_OPTIONS.healthPath || 'health';
  if (!isAnswered(modules, path)) return null;
  const prefix = isExcluded(config, path) ? '' : trimSlashes(config.getGlobalPrefix());
  const full = prefix === '' ? `/${path}` : `/${prefix}/${path}`;
  return full.startsWith(`${base}/`) ? full.slice(base.length) : full;
}

function isAnswered(modules: ModulesContainer, path: string): boolean {
  return [...modules.values()].some((module) =>
    [...module.controllers.values()].some(
      ({ metatype }) => typeof metatype === 'function' && answersGet(module.metatype, metatype, path),
    ),
  );
}

/** Whether `setGlobalPrefix` was told to leave the route out. */
function isExcluded(config: ApplicationConfig, path: string): boolean {
  return (config.getGlobalPrefixOptions().exclude ?? []).some(
    ({ pathRegex, requestMethod }) =>
      [RequestMethod.GET, RequestMethod.ALL].includes(requestMethod) && pathRegex.test(`/${path}`),
  );
}

function trimSlashes(path: string): string {
  return path.replace(/^\/+|\/+$/g, '');
}
