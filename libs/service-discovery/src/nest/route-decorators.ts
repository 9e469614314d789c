import { Controller, type Type, VERSION_NEUTRAL } from '@nestjs/common';
import { MetadataScanner } from '@nestjs/core';
import { custom, optional } from '../common/index.js';
import { isRoute } from './declared-routes.js';
import { mimic } from './decorators/mimic.js';
import { describeController, requireToken } from './rest/swagger.js';

/** Decorators of the app for routes of the library, such as a `@Public()` that its guard checks. */
export type RouteDecorators = readonly MethodDecorator[];

/** The app's settings for routes that the library mounts. */
export interface RouteMarks {
  readonly decorators?: RouteDecorators;
  /** Whether they appear in the app's Swagger document. @default false */
  readonly swagger?: boolean;
}

/**
 * A controller of the library at a path, with decorators on each of its routes. It is a subclass, since a class has only one
 * path and one set of decorators; dependencies, guards, filters and route parameters are inherited.
 */
export function mountController(controller: Type, path: string, { decorators = [], swagger }: RouteMarks): Type {
  const subclass = { [controller.name]: class extends controller {} }[controller.name] as Type;
  Controller({ path, version: VERSION_NEUTRAL })(subclass);
  // Before the app's decorators, which may add to the description.
  if (swagger) describeController(subclass);
  if (decorators.length > 0) decorateRoutes(subclass.prototype as object, decorators);
  if (swagger) requireToken(subclass);
  return subclass;
}

/** Wraps each route in a new method: metadata is stored on the function, and the original may be mounted without it. */
function decorateRoutes(prototype: object, decorators: RouteDecorators): void {
  for (const name of new MetadataScanner().getAllMethodNames(prototype)) {
    const inherited: unknown = Reflect.get(prototype, name);
    if (typeof inherited !== 'function' || !isRoute(inherited)) continue;
    const own = function (this: unknown, ...args: unknown[]): unknown {
      return Reflect.apply(inherited, this, args);
    };
    mimic(own, inherited);
    let descriptor: PropertyDescriptor = { value: own, writable: true, configurable: true, enumerable: false };
    for (const decorate of decorators) descriptor = decorate(prototype, name, descriptor) ?? descriptor;
    Object.defineProperty(prototype, name, descriptor);
  }
}

/** The option `decorators`. */
export const DECORATORS = optional(
  custom<RouteDecorators>({
    range: 'a list of decorators of methods',
    read: (given, path, check) => {
      if (!Array.isArray(given)) check.problem(path, given, 'a list of decorators of methods, such as [Public()]');
      const list: readonly unknown[] = Array.isArray(given) ? given : [];
      list.forEach((decorator, index) => {
        const at = `${path}[${index}]`;
        if (typeof decorator !== 'function') check.problem(at, decorator, 'a decorator of methods');
        else if (isUncalled(decorator as MethodDecorator)) {
          check.problem(at, decorator.name, `a decorator, which ${decorator.name}() returns`);
        }
      });
      return given as RouteDecorators;
    },
  }),
);

/** Whether it makes a decorator rather than being one: on a method, `Public` without `()` does nothing but return another function. */
function isUncalled(decorator: MethodDecorator): boolean {
  const value = function route(): void {};
  const result: unknown = decorator({ route: value }, 'route', { value, configurable: true, writable: true });
  return typeof result === 'function';
}
