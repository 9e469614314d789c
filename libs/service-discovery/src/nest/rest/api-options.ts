import { type CanActivate, type Type } from '@nestjs/common';
import {
  boolean,
  count,
  custom,
  group,
  oneOf,
  optional,
  type Option,
  OptionGroup,
  type OptionsOf,
  TOKEN,
  unchecked,
} from '../../common/index.js';
import { ALLOWED_HOSTS } from '../../model/index.js';
import { isMountPath, MOUNT_PATH } from '../../store/index.js';
import { DECORATORS } from '../route-decorators.js';
import { type AccessRule, findAccessProblems } from './access/access-rules.js';
import { JWT_OPTIONS, type JwtOptions, type ResolvedJwtOptions } from './access/jwt-verifier.js';
import { type Authorize } from './access/request-access.js';
import { API_LIMIT_OPTIONS, type ApiLimitOptions, type ResolvedApiLimitOptions } from './limits/limit-options.js';

const LIMITS: Option<Partial<ApiLimitOptions>, ResolvedApiLimitOptions, 'default'> = group(API_LIMIT_OPTIONS);

/** The bundled REST API. */
export const API_OPTION_GROUP = new OptionGroup(
  'api',
  {
    /** Where it is mounted, below the app's global prefix; without slashes at its ends. @default 'service-discovery' */
    path: MOUNT_PATH,
    /**
     * Where Terminus's health check is mounted, with `live` and `ready` below it; false disables all three. A `GET` route of the
     * app on the same path takes precedence.
     * @default 'health'
     */
    healthPath: custom<string | false>({
      default: 'health',
      range: 'a path or `false`',
      read: (value, path, check) => {
        const expected = 'a path such as "health", without slashes at its ends, or false';
        if (value !== false && !isMountPath(value)) check.problem(path, value, expected);
        return value as string | false;
      },
    }),
    /**
     * Whether reads need the same authorization as writes. False opens reads to every client that can reach the app, with
     * secrets masked and without health data; `/watch` and `/events` stay closed.
     * @default true
     */
    guardReads: boolean({ default: true }),
    /**
     * A guard of the app, as a class or an object, that decides who may read and write without the `token`. If the class is a
     * provider of the app, that instance is used, else one is created; it cannot be request-scoped.
     * @default loopback peers only, see {@link isLocalRequest}
     */
    guard: optional(
      custom<Type<CanActivate> | CanActivate>({
        range: 'a guard: a class or an object',
        read: (value, path, check) => {
          if (!isGuard(value)) check.problem(path, value, 'a guard: a class or an object with canActivate()');
          return value as CanActivate;
        },
      }),
    ),
    /**
     * `SERVICE_DISCOVERY_TOKEN`: a secret shared with the processes that register here. A request with
     * `Authorization: Bearer <token>` may read and write from any address. Several tokens, separated by commas, allow rotation
     * without an interruption.
     * @default none
     */
    token: TOKEN,
    /**
     * Rights of callers with a credential of their own. With a list, requests without a credential are refused even from this
     * machine. Holders of the `token` may still do everything.
     * @default none: every admitted caller may do everything
     */
    access: optional(unchecked<readonly AccessRule[]>({ range: 'a list of rules' })),
    /** Which JSON web tokens are valid. `access` or `authorize` decides what their holders may do. @default none */
    jwt: optional(group(JWT_OPTIONS) as Option<JwtOptions, ResolvedJwtOptions>),
    /**
     * Called last, for every request of a known caller; only true admits it. It can refuse a request that everything else
     * allows, but never admit one that was refused. Without `access`, it alone decides what callers with a JSON web token or a
     * client certificate may do. Lists, streams and watches are authorized once, without `serviceName`.
     * @default no further check
     */
    authorize: optional(
      custom<Authorize>({
        range: 'a function',
        read: (value, path, check) => {
          check.optionalFunction(path, value);
          return value as Authorize;
        },
      }),
    ),
    /**
     * Targets that a registration may set for its health check: `own`: the instance's own host and port, without headers;
     * `any`: also another port, another host header and other headers.
     * @default 'own'
     */
    checkTargets: oneOf(['own', 'any'], { default: 'own' }),
    /** How many readers may have `/events` open at once, 1 to 100,000; others get 503. @default 100 */
    maxEventReaders: count({ default: 100, min: 1, max: 100_000 }),
    /** How many processes may have `/watch` open at once, 1 to 100,000; others get 503. @default 5000 */
    maxWatches: count({ default: 5_000, min: 1, max: 100_000 }),
    /**
     * Limits on what callers may add to the registry over the API, and on the size of lists. Registrations beyond them get
     * 429 with `Retry-After`.
     * @default limits that a fleet of 10,000 instances with one token does not reach
     */
    limits: LIMITS,
    /**
     * Whether the library's routes appear in the app's Swagger document, with their schemas. API routes use the security scheme
     * `bearer`, which `DocumentBuilder.addBearerAuth()` defines. `openapi.json` of the package describes them in any case.
     * @default false
     */
    swagger: boolean({ default: false }),
    /**
     * Former location of the option `allowedHosts`, with the same effect; set only one of the two.
     * @default none
     */
    allowedHosts: ALLOWED_HOSTS,
    /**
     * Decorators for every route of the library, including the health routes, such as the app's `@Public()`, which exempts a
     * route from its global guard. The API still authorizes its callers: see `token` and `guard`.
     * @default none
     */
    decorators: DECORATORS,
  },
  (_resolved, { access, authorize, jwt, token }, check) => {
    check.problems.push(...findAccessProblems(access, check.pathOf('access'), { token, jwt }));
    if (jwt === undefined || access !== undefined || authorize !== undefined) return;
    check.problem('jwt', jwt, 'api.access or api.authorize beside it, which say what holders may do');
  },
);

/** The bundled REST API. */
export interface ApiOptions extends OptionsOf<typeof API_OPTION_GROUP> {}

export const DEFAULT_API_OPTIONS: ApiOptions = API_OPTION_GROUP.defaults;

/** The API's options in force: `ApiOptions`. */
export const API_OPTIONS = Symbol('nest-service-discovery:api-options');

function isGuard(value: unknown): boolean {
  if (typeof value === 'function')
    return typeof (value.prototype as Partial<CanActivate> | undefined)?.canActivate === 'function';
  return (
    typeof value === 'object' && value !== null && typeof (value as Partial<CanActivate>).canActivate === 'function'
  );
}
