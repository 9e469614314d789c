import { RequestMethod, type Type, VERSION_NEUTRAL } from '@nestjs/common';
import { MetadataScanner, type ModulesContainer } from '@nestjs/core';
import { SERVICE_DISCOVERY_OPTIONS } from './tokens.js';

type Module = ModulesContainer extends Map<string, infer M> ? M : never;

/** Names of Nest's own metadata: it exports them from different places in 11 and 12. */
const PATH = 'path';
const METHOD = 'method';
const HOST = 'host';
const VERSION = '__version__';
const MODULE_PATH = '__module_path__';

/** The modules of the app, without the one that the library mounts its controllers in by itself. */
export function modulesOfApp(modules: ModulesContainer): Module[] {
  return [...modules.values()].filter((module) => !isLibraryModule(module));
}

export function isLibraryModule(module: Module): boolean {
  return module.providers.has(SERVICE_DISCOVERY_OPTIONS);
}

/**
 * The controllers that declare `GET` on exactly this path. Routes of a version, a host or a `RouterModule` prefix of
 * their own are others, whatever they end in; the app's global prefix stands before all alike.
 * @param path without slashes at its ends
 */
export function* controllersAt(modules: Iterable<Module>, path: string): Iterable<Type> {
  for (const controller of controllersIn(modules)) if (answersGet(controller, path)) yield controller;
}

/** A controller on this path that is the same class as ours, or extends it. */
export function findMounted(modules: Iterable<Module>, ours: Type, path: string): Type | undefined {
  for (const controller of controllersIn(modules)) {
    const isOurs = controller === ours || controller.prototype instanceof ours;
    if (isOurs && !isSetApart(controller) && pathsOf(controller).includes(path)) return controller;
  }
  return undefined;
}

/** Those of modules without a `RouterModule` prefix. */
function* controllersIn(modules: Iterable<Module>): Iterable<Type> {
  for (const module of modules) {
    if (Reflect.getMetadataKeys(module.metatype).some(isModulePath)) continue;
    for (const { metatype } of module.controllers.values()) if (typeof metatype === 'function') yield metatype as Type;
  }
}

function answersGet(controller: Type, path: string): boolean {
  if (isSetApart(controller)) return false;
  const prototype = controller.prototype as Record<string, object>;
  const names = new MetadataScanner().getAllMethodNames(prototype);
  return names.some((name) => {
    const handler = prototype[name];
    if (!handler || !isGet(handler) || isSetApart(handler)) return false;
    return pathsOf(controller).some((prefix) => pathsOf(handler).some((rest) => joinPaths(prefix, rest) === path));
  });
}

/** Whether a method of a controller answers requests. */
export function isRoute(handler: object): boolean {
  return Reflect.hasMetadata(METHOD, handler);
}

function isGet(handler: object): boolean {
  const method: unknown = Reflect.getMetadata(METHOD, handler);
  return method === RequestMethod.GET || method === RequestMethod.ALL;
}

function isSetApart(target: object): boolean {
  const version: unknown = Reflect.getMetadata(VERSION, target);
  const isVersioned = version !== undefined && version !== VERSION_NEUTRAL;
  return isVersioned || Reflect.getMetadata(HOST, target) !== undefined;
}

function isModulePath(key: unknown): boolean {
  return typeof key === 'string' && key.startsWith(MODULE_PATH);
}

/** The paths of a controller or a handler, as they are declared. */
export function pathsOf(target: object): string[] {
  const paths = Reflect.getMetadata(PATH, target) as string | string[] | undefined;
  return paths === undefined ? [''] : [paths].flat();
}

/** Without slashes at the ends. */
export function joinPaths(...parts: string[]): string {
  return parts
    .flatMap((part) => part.split('/'))
    .filter((part) => part !== '')
    .join('/');
}
