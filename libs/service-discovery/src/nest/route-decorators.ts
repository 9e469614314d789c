import { Controller, type Type, VERSION_NEUTRAL } from '@nestjs/common';
import { MetadataScanner } from '@nestjs/core';
import { type Problem } from '../common/index.js';
import { isRoute } from './declared-routes.js';
import { mimic } from './decorators/mimic.js';
import { describeController, requireToken } from './rest/swagger.js';

/** An app's own decorators for routes of the library, such as the `@Public()` that its guard goes by. */
export type RouteDecorators = readonly MethodDecorator[];

/** What an app says of the routes that the library mounts. */
export interface RouteMarks {
  readonly decorators?: RouteDecorators;
  /** Whether they stand in the app's Swagger document. @default false */
  readonly swagger?: boolean;
}

/**
 * A controller of the library at a path, with decorators on each of its routes. It is a subclass, since a class has one path
 * and one set of decorators only; what is injected, and guards, filters and parameters of routes are inherited.
 */
export function mountController(controller: Type, path: string, { decorators = [], swagger }: RouteMarks): Type {
  const subclass = { [controller.name]: class extends controller {} }[controller.name] as Type;
  Controller({ path, version: VERSION_NEUTRAL })(subclass);
  // Before the app's decorators, which may add to what it says.
  if (swagger) describeController(subclass);
  if (decorators.length > 0) decorateRoutes(subclass.prototype as object, decorators);
  if (swagger) requireToken(subclass);
  return subclass;
}

/** Each route gets a method of its own, since metadata belong to the function, which the app may mount elsewhere without them. */
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

/** @param path where the option stands, for the error */
export function findDecoratorProblems(given: unknown, path: string): Problem[] {
  const expected = 'a list of decorators of methods, such as [Public()]';
  if (given === undefined) return [];
  if (!Array.isArray(given)) return [{ path, value: given, expected }];
  return given.flatMap((decorator: unknown, index) => {
    const at = `${path}[${index}]`;
    if (typeof decorator !== 'function') return [{ path: at, value: decorator, expected: 'a decorator of methods' }];
    if (!isUncalled(decorator as MethodDecorator)) return [];
    return [{ path: at, value: decorator.name, expected: `a decorator, which ${decorator.name}() returns` }];
  });
}

/** Whether it makes a decorator rather than being one: on a method, `Public` without `()` does nothing but return another function. */
function isUncalled(decorator: MethodDecorator): boolean {
  const value = function route(): void {};
  const result: unknown = decorator({ route: value }, 'route', { value, configurable: true, writable: true });
  return typeof result === 'function';
}
