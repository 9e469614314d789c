import { RequestMethod, type Type, VERSION_NEUTRAL } from '@nestjs/common';
import { MetadataScanner, type ModulesContainer } from '@nestjs/core';

/** Names of Nest's own metadata: it exports them from different places in 11 and 12. */
const PATH = 'path';
const METHOD = 'method';
const HOST = 'host';
const VERSION = '__version__';
const MODULE_PATH = '__module_path__';

/**
 * The controllers that declare `GET` on exactly this path. Routes of a version, a host or a `RouterModule` prefix of
 * their own are others, whatever they end in; the app's global prefix stands before all alike.
 * @param path without slashes at its ends
 */
export function* controllersAt(modules: ModulesContainer, path: string): Iterable<Type> {
  for (const module of modules.values()) {
    for (const { metatype } of module.controllers.values()) {
      if (typeof metatype === 'function' && answersGet(module.metatype, metatype, path)) yield metatype as Type;
    }
  }
}

function answersGet(module: object, controller: { prototype: unknown }, path: string): boolean {
  if (isSetApart(controller) || Reflect.getMetadataKeys(module).some(isModulePath)) return false;
  const prototype = controller.prototype as Record<string, object>;
  const names = new MetadataScanner().getAllMethodNames(prototype);
  return names.some((name) => {
    const handler = prototype[name];
    if (!handler || !isGet(handler) || isSetApart(handler)) return false;
    return pathsOf(controller).some((prefix) => pathsOf(handler).some((rest) => join(prefix, rest) === path));
  });
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

function pathsOf(target: object): string[] {
  const paths = Reflect.getMetadata(PATH, target) as string | string[] | undefined;
  return paths === undefined ? [''] : [paths].flat();
}

function join(...parts: string[]): string {
  return parts
    .flatMap((part) => part.split('/'))
    .filter((part) => part !== '')
    .join('/');
}
