import { Controller, type Provider, type Type, VERSION_NEUTRAL } from '@nestjs/common';
import { HostPolicy } from '../../model/index.js';
import { type ResolvedServiceDiscoveryOptions } from '../options/options.js';
import { SERVICE_DISCOVERY_OPTIONS } from '../tokens.js';
import { API_OPTIONS, type ApiOptions, DEFAULT_API_OPTIONS, resolveApiOptions } from './api-options.js';
import { CallsController } from './calls.controller.js';
import { EventStreams } from './event-streams.js';
import { InsightController } from './insight.controller.js';
import { HOST_POLICY } from './registration-pipe.js';
import { PathLimit } from './path-limit.js';
import { RegistryFeedController } from './registry-feed.controller.js';
import { Reply } from './reply.js';
import { RequestBodyReader } from './request-body.js';
import { ServiceDiscoveryController } from './service-discovery.controller.js';

const CONTROLLERS: readonly Type[] = [
  ServiceDiscoveryController,
  RegistryFeedController,
  CallsController,
  InsightController,
];

/** By path; a class has one path only, so each further path gets classes of its own, once. */
const mounted = new Map<string, Type[]>([[DEFAULT_API_OPTIONS.path, [...CONTROLLERS]]]);

/**
 * The controllers of the REST API; none where it is switched off.
 * @throws InvalidConfigurationError naming every wrong option
 */
export function restControllers(api: Partial<ApiOptions> | false = {}): Type[] {
  if (api === false) return [];
  const { path } = resolveApiOptions(api);
  let controllers = mounted.get(path);
  if (!controllers) mounted.set(path, (controllers = CONTROLLERS.map((controller) => mountedAt(path, controller))));
  return [...controllers];
}

/**
 * What the controllers need besides the module's options, `ServiceRegistry`, `ServiceDiscovery`, `ServiceCommunicator`, `HealthAggregator`,
 * `EventBus`, `DiscoveryMetrics` and the clock.
 * @throws InvalidConfigurationError naming every wrong option
 */
export function restProviders(api: Partial<ApiOptions> | false = {}): Provider[] {
  if (api === false) return [];
  const { allowedHosts } = resolveApiOptions(api);
  return [
    {
      provide: API_OPTIONS,
      inject: [SERVICE_DISCOVERY_OPTIONS],
      // The environment has its say in them, too.
      useFactory: (options: Pick<ResolvedServiceDiscoveryOptions, 'api'>) => options.api,
    },
    { provide: HOST_POLICY, useValue: new HostPolicy(allowedHosts) },
    RequestBodyReader,
    PathLimit,
    EventStreams,
    Reply,
  ];
}

/** Routes, guards and filters are inherited; the path alone is the subclass's own. */
function mountedAt(path: string, controller: Type): Type {
  const subclass = { [controller.name]: class extends controller {} }[controller.name] as Type;
  Controller({ path, version: VERSION_NEUTRAL })(subclass);
  return subclass;
}
