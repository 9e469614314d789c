import {
  custom,
  type GivenOptionsOf,
  HEADER_NAME,
  OptionGroup,
  optional,
  type OptionValidator,
  required,
  type ResolvedOf,
} from '../common/index.js';
import { isRange } from './selection/version-range.js';

/** Sends requests to `version` if `header` equals `value`, matches `pattern`, or, with neither, is present. */
const ROUTE_OPTIONS = new OptionGroup(
  'loadBalancing.routes[0]',
  {
    /** The name of a header. */
    header: required<string>({
      range: 'the name of a header',
      read: (value, path, check) => {
        if (typeof value !== 'string' || !HEADER_NAME.test(value)) check.problem(path, value, 'the name of a header');
        return String(value).toLowerCase();
      },
    }),
    /** The value of the header. */
    value: optional(
      custom<string>({
        range: 'a text',
        read: (value, path, check) => {
          if (typeof value !== 'string') check.problem(path, value, 'a text');
          return value as string;
        },
      }),
    ),
    /** What the value of the header matches. Cannot be combined with `value`. */
    pattern: optional(custom<RegExp | string, RegExp>({ range: 'a regular expression', read: readPattern })),
    /** A semver range. */
    version: required<string>({
      range: 'a semver range',
      read: (value, path, check) => {
        const isOne = typeof value === 'string' && value !== '' && isRange(value);
        if (!isOne) check.problem(path, value, 'a semver range, such as "2.x"');
        return value as string;
      },
    }),
  },
  (_resolved, { value, pattern }, check) => {
    if (value !== undefined && pattern !== undefined) {
      check.problem('pattern', pattern, 'nothing where there is a value');
    }
  },
);

export interface RouteOptions extends GivenOptionsOf<typeof ROUTE_OPTIONS> {}

/** A route with its header in lower case and its pattern compiled. */
export interface ResolvedRoute extends ResolvedOf<typeof ROUTE_OPTIONS> {}

/** Checks a list of routes. */
export function readRoutes(routes: unknown, path: string, check: OptionValidator): readonly ResolvedRoute[] {
  if (!Array.isArray(routes)) {
    check.problem(path, routes, 'a list of routes');
    return [];
  }
  return routes.flatMap((route: RouteOptions, index) => {
    return check.gather(() => ROUTE_OPTIONS.resolve(route, check.pathOf(`${path}[${index}]`))) ?? [];
  });
}

function readPattern(pattern: unknown, path: string, check: OptionValidator): RegExp {
  // Global and sticky expressions keep `lastIndex` between calls, so every other request would not match.
  if (pattern instanceof RegExp) return new RegExp(pattern.source, pattern.flags.replaceAll(/[gy]/g, ''));
  try {
    if (typeof pattern === 'string') return new RegExp(pattern);
  } catch {
    // Reported below.
  }
  check.problem(path, pattern, 'a regular expression');
  return /(?!)/;
}
