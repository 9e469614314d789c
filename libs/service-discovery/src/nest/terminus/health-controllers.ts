import { type Type } from '@nestjs/common';
import { type ApplicationConfig, type ModulesContainer } from '@nestjs/core';
import { DEFAULT_API_OPTIONS } from '../rest/index.js';
import { controllersAt, modulesOfApp } from '../declared-routes.js';
import { mountController, type RouteMarks } from '../route-decorators.js';
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

/** Without marks, by path: each further path gets classes of its own, once. */
const mounted = new Map([[DEFAULT_API_OPTIONS.healthPath, CONTROLLERS.map(([, controller]) => controller)]]);

export function healthControllersAt(path: string, marks: RouteMarks): Type[] {
  const mount = (): Type[] => CONTROLLERS.map(([rest, controller]) => mountController(controller, path + rest, marks));
  if (marks.decorators || marks.swagger) return mount();
  let controllers = mounted.get(path);
  if (!controllers) mounted.set(path, (controllers = mount()));
  return [...controllers];
}

/** Whether a controller is the library's own, at whatever path. */
export function isHealthController(metatype: unknown): metatype is Type {
  if (typeof metatype !== 'function') return false;
  return CONTROLLERS.some(([, ours]) => metatype === ours || metatype.prototype instanceof ours);
}

/** The controller that answers `GET` at a path in a module of the app, be it its own or one of these. */
export function appControllerAt(modules: ModulesContainer, config: ApplicationConfig, path: string): Type | undefined {
  const [first] = controllersAt(modulesOfApp(modules), config, path);
  return first;
}
