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
     * Where Terminus's health check is mounted, and below it `live` and `ready`; false leaves all three out. A `GET` route of
     * the app's own on the same path takes its place.
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
     * Whether reading calls need the same as writing ones. False opens them to every client that reaches the app, with secrets
     * masked and without health data; `/watch` and `/events` stay closed.
     * @default true
     */
    guardReads: boolean({ default: true }),
    /**
     * Who may read and write without the `token`: a guard of the app's own, as a class or an object. A
     * class that is a provider somewhere in the app is used as it stands there, else it is made for the API; it cannot be
     * request-scoped.
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
     * `SERVICE_DISCOVERY_TOKEN`: a secret that this process shares with those that register with it. A request with
     * `Authorization: Bearer <token>` may read and write, wherever it comes from. Several tokens are separated by
     * commas, so that one can be replaced without an interruption.
     * @default none
     */
    token: TOKEN,
    /**
     * What callers may do who show a credential of their own. Where there is a list, requests without a credential are refused
     * from this machine too. The `token` stands beside it, and its holders may do everything.
     * @default none: who is let in may do everything
     */
    access: optional(unchecked<readonly AccessRule[]>({ range: 'a list of rules' })),
    /** Which JSON web tokens are valid. What their holders may do, `access` or `authorize` says. @default none */
    jwt: optional(group(JWT_OPTIONS) as Option<JwtOptions, ResolvedJwtOptions>),
    /**
     * Asked last, about every request of a known caller: only true lets it through. It refuses what everything else allows, and
     * never the other way round. Where there is no `access`, it alone says what callers may do who show a JSON web token or a
     * client certificate. Lists, streams and watches are one question without `serviceName`.
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
     * What a registration may have its health check ask: `own`: the instance's own host and port, without headers; `any`:
     * another port, host header and headers too.
     * @default 'own'
     */
    checkTargets: oneOf(['own', 'any'], { default: 'own' }),
    /** How many readers may have `/events` open at once, 1 to 100,000; others get 503. @default 100 */
    maxEventReaders: count({ default: 100, min: 1, max: 100_000 }),
    /** How many processes may have `/watch` open at once, 1 to 100,000; others get 503. @default 5000 */
    maxWatches: count({ default: 5_000, min: 1, max: 100_000 }),
    /**
     * How much a caller may add to the registry over the API, and how much a list shows; beyond that registrations get 429 with
     * `Retry-After`.
     * @default limits that a fleet of 10,000 instances with one token does not meet
     */
    limits: LIMITS,
    /**
     * Whether the library's routes stand in the app's own Swagger document, with their schemas. Those of the API name
     * the security scheme `bearer`, that of `DocumentBuilder.addBearerAuth()`. Without it, `openapi.json` of the package
     * describes them.
     * @default false
     */
    swagger: boolean({ default: false }),
    /**
     * The former place of the option `allowedHosts`, with the same effect; one of the two may be set.
     * @default none
     */
    allowedHosts: ALLOWED_HOSTS,
    /**
     * Decorators of the app's own for every route of the library, those of the health check among them: such as the `@Public()`
     * that lets a route pass the app's global guard. Who may call the API is decided all the same: see `token` and `guard`.
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
