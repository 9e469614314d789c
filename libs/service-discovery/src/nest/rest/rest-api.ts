import { type Provider, type Type } from '@nestjs/common';
import { HttpAdapterHost, ModulesContainer } from '@nestjs/core';
import { type ResolvedServiceDiscoveryOptions } from '../options/options.js';
import { joinPaths, pathsOf, writingRoutesOf } from '../declared-routes.js';
import { mountController } from '../route-decorators.js';
import { OPTIONS_IN_FORCE } from '../tokens.js';
import { ApiAccess, OwnedInstances } from './access/index.js';
import { API_OPTIONS, type ApiOptions, DEFAULT_API_OPTIONS, API_OPTION_GROUP } from './api-options.js';
import { ServiceDiscoveryCallsController } from './calls.controller.js';
import { EventFrames } from './event-frames.js';
import { EventStreams } from './event-streams.js';
import { ServiceDiscoveryInsightController } from './insight.controller.js';
import { ApiLimits } from './limits/index.js';
import { PathLimit } from './path-limit.js';
import { ServiceDiscoveryFeedController } from './registry-feed.controller.js';
import { Reply } from './reply.js';
import { RequestBodyReader } from './request-body.js';
import { RequestedService } from './requested-service.js';
import { ServiceDiscoveryController } from './service-discovery.controller.js';
import { ServiceDiscoverySplitsController } from './splits.controller.js';

/** The controllers of the REST API, each of which an app may mount in a module of its own. */
export const REST_CONTROLLERS: readonly Type[] = [
  ServiceDiscoveryController,
  ServiceDiscoveryFeedController,
  ServiceDiscoveryCallsController,
  ServiceDiscoveryInsightController,
  ServiceDiscoverySplitsController,
];

/** Without decorators and hidden from Swagger, by path: each further path gets classes of its own, once. */
const mounted = new Map<string, Type[]>([[DEFAULT_API_OPTIONS.path, [...REST_CONTROLLERS]]]);

/**
 * The controllers of the REST API; none where it is switched off.
 * @throws InvalidConfigurationError naming every wrong option
 */
export function restControllers(api: Partial<ApiOptions> | false = {}): Type[] {
  if (api === false) return [];
  const { path, decorators, swagger } = API_OPTION_GROUP.resolve(api);
  const mount = (): Type[] =>
    REST_CONTROLLERS.map((controller) => mountController(controller, path, { decorators, swagger }));
  if (decorators || swagger) return mount();
  let controllers = mounted.get(path);
  if (!controllers) mounted.set(path, (controllers = mount()));
  return [...controllers];
}

/**
 * What the controllers need besides the module's options, `HOST_POLICY`, `ServiceRegistry`, `ServiceDiscovery`, `ServiceCommunicator`, `NearNames`, `HealthAggregator`,
 * `EventBus`, `DiscoveryMetrics` and the clock. Also where the API is switched off, since a module of the app may mount them.
 * @throws InvalidConfigurationError naming every wrong option
 */
export function restProviders(api: Partial<ApiOptions> | false = {}): Provider[] {
  if (api) API_OPTION_GROUP.resolve(api);
  return [
    {
      provide: API_OPTIONS,
      inject: [OPTIONS_IN_FORCE],
      // The environment has its say in them, too.
      useFactory: ({ api: own, token }: Pick<ResolvedServiceDiscoveryOptions, 'api' | 'token'>): ApiOptions =>
        own || { ...DEFAULT_API_OPTIONS, token },
    },
    {
      provide: RequestBodyReader,
      inject: [HttpAdapterHost, ModulesContainer],
      useFactory: (host: HttpAdapterHost, modules: ModulesContainer) =>
        new RequestBodyReader(host, mountedWritingRoutes(modules)),
    },
    ApiAccess,
    OwnedInstances,
    PathLimit,
    EventFrames,
    EventStreams,
    ApiLimits,
    Reply,
    RequestedService,
  ];
}

/**
 * The routes that bodies come with, of the controllers and of classes that extend them, in whatever modules they are. Without a
 * path before them they could be routes of the app's own: those bodies are left to the app's parser.
 */
function mountedWritingRoutes(modules: ModulesContainer): string[] {
  const controllers = [...modules.values()].flatMap((module) => [...module.controllers.values()]);
  const routes = REST_CONTROLLERS.flatMap((ours) =>
    controllers
      .filter(({ metatype }) => metatype === ours || metatype?.prototype instanceof ours)
      .flatMap(({ metatype }) => pathsOf(metatype as Type).map((path) => joinPaths(path)))
      .filter((path) => path !== '')
      .flatMap((path) => writingRoutesOf(ours).map((route) => joinPaths(path, route))),
  );
  return [...new Set(routes)];
}
