import { type CanActivate, type Type } from '@nestjs/common';
import { assertOptions, OptionValidator, TOKEN, withoutUndefined } from '../../common/index.js';
import { type AllowedHosts, HostPolicy } from '../../model/index.js';
import { type AccessRule, findAccessProblems } from './access/access-rules.js';
import { JWT_OPTIONS, type JwtOptions } from './access/jwt-options.js';
import { type Authorize } from './access/request-access.js';
import { findDecoratorProblems, type RouteDecorators } from '../route-decorators.js';
import { API_LIMIT_OPTIONS, type ApiLimitOptions } from './limits/limit-options.js';

/** The bundled REST API. */
export interface ApiOptions {
  /** Where it is mounted, below the app's global prefix; without slashes at its ends. @default 'service-discovery' */
  path: string;
  /**
   * Where Terminus's health check is mounted, and below it `live` and `ready`; false leaves all three out. A `GET` route of
   * the app's own on the same path takes its place.
   * @default 'health'
   */
  healthPath: string | false;
  /**
   * `SERVICE_DISCOVERY_TOKEN`: a secret that this process shares with those that register with it. A request with
   * `Authorization: Bearer <token>` may read and write, wherever it comes from. Several tokens are separated by
   * commas, so that one can be replaced without an interruption.
   * @default none
   */
  token?: string;
  /**
   * Who may read and write without the `token`: a guard of the app's own, as a class or an object. A
   * class that is a provider somewhere in the app is used as it stands there, else it is made for the API; it cannot be
   * request-scoped.
   * @default loopback peers only, see {@link isLocalRequest}
   */
  guard?: Type<CanActivate> | CanActivate;
  /**
   * What callers may do who show a credential of their own. Where there is a list, requests without a credential are refused
   * from this machine too. The `token` stands beside it, and its holders may do everything.
   * @default none: who is let in may do everything
   */
  access?: readonly AccessRule[];
  /** Which JSON web tokens are valid. What their holders may do, `access` or `authorize` says. @default none */
  jwt?: JwtOptions;
  /**
   * Asked last, about every request of a known caller: only true lets it through. It refuses what everything else allows, and
   * never the other way round. Where there is no `access`, it alone says what callers may do who show a JSON web token or a
   * client certificate. Lists, streams and watches are one question without `serviceName`.
   * @default no further check
   */
  authorize?: Authorize;
  /**
   * Whether reading calls need the same as writing ones. False opens them to every client that reaches the app, with secrets
   * masked and without health data; `/watch` and `/events` stay closed.
   * @default true
   */
  guardReads: boolean;
  /**
   * What a registration may have its health check ask: `own`: the instance's own host and port, without headers; `any`:
   * another port, host header and headers too.
   * @default 'own'
   */
  checkTargets: 'own' | 'any';
  /** How many readers may have `/events` open at once, 1 to 100,000; others get 503. @default 100 */
  maxEventReaders: number;
  /** How many processes may have `/watch` open at once, 1 to 100,000; others get 503. @default 5000 */
  maxWatches: number;
  /**
   * How much a caller may add to the registry over the API, and how much a list shows; beyond that registrations get 429 with
   * `Retry-After`.
   * @default limits that a fleet of 10,000 instances with one token does not meet
   */
  limits: Partial<ApiLimitOptions>;
  /**
   * Whether the library's routes stand in the app's own Swagger document, with their schemas. Those of the API name
   * the security scheme `bearer`, that of `DocumentBuilder.addBearerAuth()`. Without it, `openapi.json` of the package
   * describes them.
   * @default false
   */
  swagger: boolean;
  /**
   * The former place of the option `allowedHosts`, with the same effect; one of the two may be set.
   * @default none
   */
  allowedHosts?: AllowedHosts;
  /**
   * Decorators of the app's own for every route of the library, those of the health check among them: such as the `@Public()`
   * that lets a route pass the app's global guard. Who may call the API is decided all the same: see `token` and `guard`.
   * @default none
   */
  decorators?: RouteDecorators;
}

export const DEFAULT_API_OPTIONS: ApiOptions = {
  path: 'service-discovery',
  healthPath: 'health',
  guardReads: true,
  checkTargets: 'own',
  maxEventReaders: 100,
  maxWatches: 5_000,
  limits: {},
  swagger: false,
};
export const API_OPTIONS_WITHOUT_DEFAULT = [
  'token',
  'guard',
  'access',
  'jwt',
  'authorize',
  'allowedHosts',
  'decorators',
] satisfies (keyof ApiOptions)[];

/** The API's options in force: `ApiOptions`. */
export const API_OPTIONS = Symbol('nest-service-discovery:api-options');

const PATH_PATTERN = /^[A-Za-z0-9._~-]+(?:\/[A-Za-z0-9._~-]+)*$/;

/**
 * Fills in the defaults.
 * @throws InvalidConfigurationError naming every wrong option
 */
export function resolveApiOptions(options: Partial<ApiOptions> = {}, path = 'api'): ApiOptions {
  assertOptions(path, options);
  const resolved: ApiOptions = { ...DEFAULT_API_OPTIONS, ...withoutUndefined(options) };
  const check = new OptionValidator(path);
  const expect = (name: keyof ApiOptions, expected: string, ok: (value: unknown) => boolean): void => {
    if (!ok(resolved[name])) check.problem(name, resolved[name], expected);
  };
  const isPath = (value: unknown): boolean => typeof value === 'string' && PATH_PATTERN.test(value);
  expect('path', 'a path such as "service-discovery", without slashes at its ends', isPath);
  expect(
    'healthPath',
    'a path such as "health", without slashes at its ends, or false',
    (value) => value === false || isPath(value),
  );
  for (const name of ['guardReads', 'swagger'] as const) check.boolean(name, resolved[name]);
  expect('checkTargets', '"own" or "any"', (value) => value === 'own' || value === 'any');
  for (const name of ['maxEventReaders', 'maxWatches'] as const)
    check.number(name, resolved[name], { min: 1, max: 100_000, integer: true });
  expect('guard', 'a guard: a class or an object with canActivate()', (value) => value === undefined || isGuard(value));
  if (resolved.token !== undefined) TOKEN.read(resolved.token, 'token', check);
  check.gather(() => API_LIMIT_OPTIONS.resolve(resolved.limits, check.pathOf('limits')));
  check.problems.push(...findAccessProblems(resolved.access, check.pathOf('access'), resolved));
  check.optionalFunction('authorize', resolved.authorize);
  if (resolved.jwt !== undefined) {
    const rules = resolved.access ?? resolved.authorize;
    expect('jwt', 'api.access or api.authorize beside it, which say what holders may do', () => rules !== undefined);
    check.gather(() => JWT_OPTIONS.resolve(resolved.jwt, check.pathOf('jwt')));
  }
  check.problems.push(...findDecoratorProblems(resolved.decorators, check.pathOf('decorators')));
  check.gather(() => new HostPolicy(resolved.allowedHosts, check.pathOf('allowedHosts')));
  check.throwIfAny();
  return resolved;
}

function isGuard(value: unknown): boolean {
  if (typeof value === 'function')
    return typeof (value.prototype as Partial<CanActivate> | undefined)?.canActivate === 'function';
  return (
    typeof value === 'object' && value !== null && typeof (value as Partial<CanActivate>).canActivate === 'function'
  );
}
