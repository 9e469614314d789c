import { Controller, type ModuleMetadata, type Type, VERSION_NEUTRAL } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { type ApiOptions, DEFAULT_API_OPTIONS, resolveApiOptions } from '../rest/index.js';
import { HealthRouteModule } from './health-route.module.js';
import { ServiceDiscoveryHealthController } from './health.controller.js';

/** By path; a class has one path only, so each further path gets a class of its own, once. */
const mounted = new Map([[DEFAULT_API_OPTIONS.healthPath, ServiceDiscoveryHealthController]]);

/**
 * What answers `GET /health`; none where the API, or this part of it, is switched off.
 * @throws InvalidConfigurationError naming every wrong option
 */
export function healthControllers(api: Partial<ApiOptions> | false = {}): Type<ServiceDiscoveryHealthController>[] {
  if (api === false) return [];
  const { healthPath } = resolveApiOptions(api);
  if (healthPath === false) return [];
  let controller = mounted.get(healthPath);
  if (!controller) mounted.set(healthPath, (controller = mountedAt(healthPath)));
  return [controller];
}

/** What the indicator and the controller need. An app's own `TerminusModule`, with options or without, stands beside it. */
export const healthImports = [TerminusModule, HealthRouteModule] as const satisfies ModuleMetadata['imports'];

function mountedAt(path: string): typeof ServiceDiscoveryHealthController {
  const { name } = ServiceDiscoveryHealthController;
  const subclass =
    { [name]: class extends ServiceDiscoveryHealthController {} }[name] ?? ServiceDiscoveryHealthController;
  Controller({ path, version: VERSION_NEUTRAL })(subclass);
  return subclass;
}
