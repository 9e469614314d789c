import { InvalidConfigurationError, ServiceDiscoveryError } from '../../common/index.js';
import { type HttpMethod } from '../../transport/index.js';

/** A method and a path, such as `GET /users/:id`; a parameter fills a whole segment. */
export type RouteTemplate = `${HttpMethod} /${string}`;

/** The names of a template's path parameters. */
export type PathParamOf<Template extends string> = Template extends `${infer Head}/${infer Tail}`
  ? PathParamOf<Head> | PathParamOf<Tail>
  : Template extends `:${infer Name}`
    ? Name
    : never;

/** What can stand for a path parameter. */
export type PathValue = string | number | bigint | boolean;

export interface ParsedRoute {
  readonly method: HttpMethod;
  /** Such as `/users/:id`. */
  readonly template: string;
  /** @throws ServiceDiscoveryError `INVALID_REQUEST` naming the parameter that is missing or cannot stand in a path */
  path(params: Readonly<Record<string, PathValue>> | undefined): string;
}

const ROUTE = /^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) (\/[^\s?#]*)$/;
const PARAMETER = /^:([A-Za-z_]\w*)$/;

/**
 * @param label what to call the route in errors
 * @throws InvalidConfigurationError when it is no route
 */
export function parseRoute(template: string, label: string): ParsedRoute {
  const [, method, path] = ROUTE.exec(template) ?? [];
  const segments = path?.split('/') ?? [];
  if (path === undefined || segments.some((segment) => segment.startsWith(':') && !PARAMETER.test(segment))) {
    const expected = 'a method, a space and a path without query, such as "GET /users/:id"';
    throw new InvalidConfigurationError([{ path: label, value: template, expected }]);
  }
  return {
    method: method as HttpMethod,
    template: path,
    path: (params) =>
      segments
        .map((segment) => {
          const name = PARAMETER.exec(segment)?.[1];
          return name === undefined ? segment : encodeParam(params?.[name], name, label);
        })
        .join('/'),
  };
}

function encodeParam(value: PathValue | undefined, name: string, label: string): string {
  const text = value === undefined || value === null ? '' : String(value);
  // Dot segments, even percent-encoded, are resolved on the way and would reach another route.
  if (text === '' || text === '.' || text === '..') {
    const fault = text === '' ? 'is missing' : `cannot be "${text}"`;
    throw new ServiceDiscoveryError('INVALID_REQUEST', `${label}: the path parameter "${name}" ${fault}`);
  }
  return encodeURIComponent(text);
}
