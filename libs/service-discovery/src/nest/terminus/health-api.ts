import { type ModuleMetadata, type Type } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { type ApiOptions, resolveApiOptions } from '../rest/index.js';
import { healthControllersAt } from './health-controllers.js';
import { HealthRouteModule } from './health-route.module.js';

/**
 * What answers `GET /health`, `/health/live` and `/health/ready`; none where the API, or this part of it, is switched off.
 * @throws InvalidConfigurationError naming every wrong option
 */
export function healthControllers(api: Partial<ApiOptions> | false = {}): Type[] {
  if (api === false) return [];
  const { healthPath } = resolveApiOptions(api);
  return healthPath === false ? [] : healthControllersAt(healthPath);
}

/** What the indicator and the controllers need. An app's own `TerminusModule`, with options or without, stands beside it. */
export const healthImports = [TerminusModule, HealthRouteModule] as const satisfies ModuleMetadata['imports'];
