import { type ExceptionFilter, type Logger } from '@nestjs/common';
import { type ApplicationConfig } from '@nestjs/core';
import { UpstreamErrorFilter } from '../upstream-error.filter.js';

/** Where Nest's `@Catch` keeps the types of errors that a filter takes. */
const CAUGHT = '__filterCatchExceptions__';

type FiltersOfApp = Pick<ApplicationConfig, 'getGlobalFilters' | 'getGlobalRequestFilters'>;

interface GlobalFilter {
  readonly prototype: object;
  readonly isScoped: boolean;
}

/**
 * Warns of a global filter that takes all errors before `UpstreamErrorFilter`, which then answers none. Without the
 * warning, this shows only in the 500 that users get for failed calls.
 */
export function warnOfEarlierFilter(config: FiltersOfApp, logger: Pick<Logger, 'warn'>): void {
  const filters = inOrderAsked(config);
  const ours = filters.findIndex(({ prototype }) => isOurs(prototype));
  const earlier = filters.slice(0, Math.max(0, ours)).find(({ prototype }) => takesAll(prototype));
  if (!earlier) return;
  const name = earlier.prototype.constructor.name || 'A catch-all filter';
  const remedy = earlier.isScoped
    ? `Nest asks filters with request scope first. Give ${name} no scope, and put UpstreamErrorFilter after it in the same providers`
    : 'call app.useGlobalFilters(new UpstreamErrorFilter()) after all other useGlobalFilters() and before app.listen()';
  logger.warn(`${name} takes errors before UpstreamErrorFilter, which answers no failed call: ${remedy}`);
}

/** Nest asks filters with request scope before the others, and the last of each first. */
function inOrderAsked(config: FiltersOfApp): GlobalFilter[] {
  const filters = config.getGlobalFilters() as readonly (ExceptionFilter | null | undefined)[];
  const unscoped = filters.flatMap((filter) =>
    filter ? [{ prototype: Object.getPrototypeOf(filter) as object, isScoped: false }] : [],
  );
  // What a factory makes for each request is not known yet.
  const scoped = config
    .getGlobalRequestFilters()
    .flatMap(({ metatype, isNotMetatype }) =>
      metatype && !isNotMetatype ? [{ prototype: metatype.prototype as object, isScoped: true }] : [],
    );
  return [...unscoped, ...scoped].reverse();
}

function isOurs(prototype: object): boolean {
  return prototype === UpstreamErrorFilter.prototype || prototype instanceof UpstreamErrorFilter;
}

/** As Nest reads it: a filter without types takes every error. */
function takesAll(prototype: object): boolean {
  const caught: unknown = Reflect.getMetadata(CAUGHT, prototype) ?? Reflect.getMetadata(CAUGHT, prototype.constructor);
  return !Array.isArray(caught) || caught.length === 0 || caught.includes(Error);
}
