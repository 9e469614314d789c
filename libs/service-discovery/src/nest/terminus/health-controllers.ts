import { Controller, type Type, VERSION_NEUTRAL } from '@nestjs/common';
import { type ModulesContainer } from '@nestjs/core';
import { DEFAULT_API_OPTIONS } from '../rest/index.js';
import { controllersAt, modulesOfApp } from '../declared-routes.js';
import { ServiceDiscoveryHealthController } from './health.controller.js';
import {
  LIVENESS_PATH,
  READINESS_PATH,
  ServiceDiscoveryLivenessController,
  ServiceDiscoveryReadinessController,
} from './probe.controllers.js';

/** What answers at a path and below it, each a controller of its own, so that an app may take the place of each. */
const CONTROLLERS: readonly (readonly [rest: string, controller: Type])[] = [
  ['', ServiceDiscoveryHealthController],
  [`/${LIVENESS_PATH}`, ServiceDiscoveryLivenessController],
  [`/${READINESS_PATH}`, ServiceDiscoveryReadinessController],
];

/** By path; a class has one path only, so each further path gets classes of its own, once. */
const mounted = new Map([[DEFAULT_API_OPTIONS.healthPath, CONTROLLERS.map(([, controller]) => controller)]]);

export function healthControllersAt(path: string): Type[] {
  let controllers = mounted.get(path);
  if (!controllers) {
    controllers = CONTROLLERS.map(([rest, controller]) => mountedAt(path + rest, controller));
    mounted.set(path, controllers);
  }
  return [...controllers];
}

/** Whether a controller is the library's own, at whatever path. */
export function isHealthController(metatype: unknown): metatype is Type {
  if (typeof metatype !== 'function') return false;
  return CONTROLLERS.some(([, ours]) => metatype === ours || metatype.prototype instanceof ours);
}

/** The controller that answers `GET` at a path in a module of the app, be it its own or one of these. */
export function appControllerAt(modules: ModulesContainer, path: string): Type | undefined {
  const [first] = controllersAt(modulesOfApp(modules), path);
  return first;
}

/** The route and what is injected are inherited; the path alone is the subclass's own. */
function mountedAt(path: string, controller: Type): Type {
  const subclass = { [controller.name]: class extends controller {} }[controller.name] as Type;
  Controller({ path, version: VERSION_NEUTRAL })(subclass);
  return subclass;
}
