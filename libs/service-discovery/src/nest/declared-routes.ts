import { RequestMethod, type Type, VERSION_NEUTRAL, VersioningType } from '@nestjs/common';
import { type ApplicationConfig, MetadataScanner, type ModulesContainer } from '@nestjs/core';
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
 * The controllers that answer `GET` on exactly this path. Routes of a version, a host or a `RouterModule` prefix of
 * their own are others, whatever they end in, and so are those that the app's default version puts at `/v1/…`; the app's global
 * prefix stands before all alike.
 * @param path without slashes at its ends
 */
export function* controllersAt(modules: Iterable<Module>, config: ApplicationConfig, path: string): Iterable<Type> {
  const version = defaultVersionInPaths(config);
  for (const controller of controllersIn(modules)) if (answersGet(controller, path, version)) yield controller;
}

/** A controller on this path that is the same class as ours, or extends it. */
export function findMounted(modules: Iterable<Module>, ours: Type, path: string): Type | undefined {
  for (const controller of mountedOf(modules, ours)) if (pathsOf(controller).includes(path)) return controller;
  return undefined;
}

/** The paths at which controllers of this class, or of a class that extends it, answer, whatever modules they are in. */
export function mountedPathsOf(modules: Iterable<Module>, ours: Type): string[] {
  return [...new Set([...mountedOf(modules, ours)].flatMap(pathsOf))];
}

function* mountedOf(modules: Iterable<Module>, ours: Type): Iterable<Type> {
  for (const controller of controllersIn(modules)) {
    const isOurs = controller === ours || controller.prototype instanceof ours;
    if (isOurs && !isSetApart(controller)) yield controller;
  }
}

/** Those of modules without a `RouterModule` prefix. */
function* controllersIn(modules: Iterable<Module>): Iterable<Type> {
  for (const module of modules) {
    if (Reflect.getMetadataKeys(module.metatype).some(isModulePath)) continue;
    for (const { metatype } of module.controllers.values()) if (typeof metatype === 'function') yield metatype as Type;
  }
}

/** The version that stands in the paths of routes that declare none; undefined where none does. */
function defaultVersionInPaths(config: ApplicationConfig): unknown {
  const versioning = config.getVersioning();
  return versioning?.type === VersioningType.URI ? versioning.defaultVersion : undefined;
}

function answersGet(controller: Type, path: string, defaultVersion: unknown): boolean {
  if (isSetApart(controller)) return false;
  const prototype = controller.prototype as Record<string, object>;
  const names = new MetadataScanner().getAllMethodNames(prototype);
  return names.some((name) => {
    const handler = prototype[name];
    if (!handler || !isGet(handler) || isSetApart(handler)) return false;
    if (isVersioned(versionOf(handler) ?? versionOf(controller) ?? defaultVersion)) return false;
    return pathsOf(controller).some((prefix) => pathsOf(handler).some((rest) => joinPaths(prefix, rest) === path));
  });
}

/** The paths of a controller's own routes that answer other methods than `GET`, without the path of the controller. */
export function writingRoutesOf(controller: Type): string[] {
  const handlers = Object.values(Object.getOwnPropertyDescriptors(controller.prototype as object)).map(
    ({ value }) => value as unknown,
  );
  return handlers.flatMap((handler) =>
    typeof handler === 'function' && isRoute(handler) && !isGet(handler) ? pathsOf(handler) : [],
  );
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
  return isVersioned(versionOf(target)) || Reflect.getMetadata(HOST, target) !== undefined;
}

function versionOf(target: object): unknown {
  return Reflect.getMetadata(VERSION, target);
}

/** Whether a version, or each of several, is one that requests have to ask for. */
function isVersioned(version: unknown): boolean {
  return version !== undefined && ![version].flat().includes(VERSION_NEUTRAL);
}

function isModulePath(key: unknown): boolean {
  return typeof key === 'string' && key.startsWith(MODULE_PATH);
}

/** The paths of a controller or a handler, as they are declared. */
export function pathsOf(target: object): string[] {
  const paths = Reflect.getMetadata(PATH, target) as string | string[] | undefined;
  return paths === undefined ? [''] : [paths].flat();
}

/** Where a `GET` route of the app is found, with the global prefix unless `setGlobalPrefix` was told to leave the route out. */
export function pathInApp(config: ApplicationConfig, path: string): string {
  const isExcluded = (config.getGlobalPrefixOptions().exclude ?? []).some(
    ({ pathRegex, requestMethod }) =>
      [RequestMethod.GET, RequestMethod.ALL].includes(requestMethod) && pathRegex.test(`/${path}`),
  );
  return `/${joinPaths(isExcluded ? '' : config.getGlobalPrefix(), path)}`;
}

/** Without slashes at the ends. */
export function joinPaths(...parts: string[]): string {
  return parts
    .flatMap((part) => part.split('/'))
    .filter((part) => part !== '')
    .join('/');
}
