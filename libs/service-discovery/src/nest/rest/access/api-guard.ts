import {
  type CanActivate,
  type ExecutionContext,
  ForbiddenException,
  type HttpException,
  Inject,
  Injectable,
  Logger,
  type OnModuleInit,
  SetMetadata,
  type Type,
  UnauthorizedException,
} from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { isObservable, lastValueFrom } from 'rxjs';
import { type Clock, InvalidConfigurationError } from '../../../common/index.js';
import { LOG_CONTEXT } from '../../logging.js';
import { CLOCK } from '../../tokens.js';
import { API_OPTIONS, type ApiOptions } from '../api-options.js';
import { restoreHeaders } from '../request-body.js';
import { type Caller, GUARD_CALLER, LOCAL_CALLER, setCaller, SHARED_TOKEN_CALLER } from './caller.js';
import { findRemoteSign, type PeerRequest } from './local-request.js';
import { SharedToken } from './shared-token.js';

/** How often the operator is told that a request was refused. */
const WARNING_INTERVAL_MS = 60_000;

type ApiRequest = PeerRequest & { readonly method: string };

const RESTRICTED = Symbol('nest-service-discovery:restricted');

/** Requests that change nothing; all others are restricted, whatever class their route is in. */
const READS: ReadonlySet<string> = new Set(['GET', 'HEAD']);

/** Marks a reading route that shows what is masked elsewhere. */
export const Restricted = (): MethodDecorator => SetMetadata(RESTRICTED, true);

/** Nest's own metadata of the guards of a class; it exports the name from different places in 11 and 12. */
const GUARDS = '__guards__';

/** The caller has to show the shared token. */
export class TokenRequiredError extends UnauthorizedException {}

/**
 * Keeps the API closed by default. All routes, without `guardReads` the restricted ones, are open to a request with the shared
 * token, wherever it comes from. What has no valid one is asked the app's own guard; where there is none, a request
 * without a token is let in from this machine, and a wrong token is refused. Guards that a class of the app has by
 * `@UseGuards()`, where it extends one of the controllers, are asked after this one, and decide in place of that.
 */
@Injectable()
export class ApiGuard implements CanActivate, OnModuleInit {
  private readonly token: SharedToken | undefined;
  private guard: CanActivate | undefined;
  private warningDue = Number.NEGATIVE_INFINITY;

  constructor(
    @Inject(API_OPTIONS) private readonly api: ApiOptions,
    @Inject(ModuleRef) private readonly moduleRef: ModuleRef,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {
    this.token = api.token === undefined ? undefined : new SharedToken(api.token);
  }

  /** @throws InvalidConfigurationError when the guard is a class that cannot be made here */
  async onModuleInit(): Promise<void> {
    const { guard } = this.api;
    this.guard = typeof guard === 'function' ? await this.instantiate(guard) : guard;
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<ApiRequest>();
    setCaller(request, undefined);
    restoreHeaders(request);
    const found = this.find(request, context.getClass());
    const isRestricted = this.isRestricted(request, context);
    if (isRestricted && this.guard && found !== SHARED_TOKEN_CALLER) {
      if (!(await resultOf(this.guard.canActivate(context)))) return false;
      setCaller(request, GUARD_CALLER);
    } else if (!(found instanceof Error)) setCaller(request, found);
    else if (isRestricted) throw this.refusal(found);
    return true;
  }

  private isRestricted({ method }: ApiRequest, context: ExecutionContext): boolean {
    return this.api.guardReads || !READS.has(method) || Reflect.getMetadata(RESTRICTED, context.getHandler()) === true;
  }

  /** @returns the caller; undefined where only the app's guard can tell; why it is refused where there is none */
  private find(request: PeerRequest, controller: Type): Caller | HttpException | undefined {
    const shown = this.token?.check(request.headers.authorization);
    if (shown === 'valid') return SHARED_TOKEN_CALLER;
    if (hasOwnGuard(controller)) return GUARD_CALLER;
    if (this.guard) return undefined;
    if (shown === 'wrong') return new ForbiddenException(WRONG_TOKEN);
    const sign = findRemoteSign(request);
    if (sign === undefined) return LOCAL_CALLER;
    return this.token ? new TokenRequiredError(needsToken(sign)) : new ForbiddenException(isClosed(sign));
  }

  /** The first deployment on a second machine fails here, and the registry's operator is the one who can mend it. */
  private refusal<T extends Error>(error: T): T {
    const now = this.clock.now();
    if (now >= this.warningDue) {
      this.warningDue = now + WARNING_INTERVAL_MS;
      new Logger(LOG_CONTEXT).warn(`A request was refused. ${error.message}`);
    }
    return error;
  }

  private async instantiate(guard: Type<CanActivate>): Promise<CanActivate> {
    try {
      return this.moduleRef.get(guard, { strict: false });
    } catch {
      // It is no provider of the app, or one that is made for each request.
    }
    try {
      return await this.moduleRef.create(guard);
    } catch (error) {
      const expected = `a guard that is a provider of the app, or needs global providers only (${String(error)})`;
      throw new InvalidConfigurationError([{ path: 'api.guard', value: guard.name, expected }]);
    }
  }
}

/** The answer of a guard, which may be given in each form that Nest takes. */
async function resultOf(answer: ReturnType<CanActivate['canActivate']>): Promise<boolean> {
  return isObservable(answer) ? lastValueFrom(answer) : answer;
}

/** Whether a class that extends a controller of the API has a guard beside this one. */
function hasOwnGuard(controller: Type): boolean {
  const guards = Reflect.getMetadata(GUARDS, controller) as readonly unknown[];
  return guards.some((guard) => guard !== ApiGuard);
}

const WRONG_TOKEN =
  "The token of the request is none of the registry's: send one that is in its `api.token` (SERVICE_DISCOVERY_TOKEN).";

const OPENS_READS = '`api: { guardReads: false }` opens reading to all.';

/** @param sign why the request does not count as one from this machine */
function needsToken(sign: string): string {
  return (
    `From another machine this needs the registry's token, and ${sign}. ` +
    'Send `Authorization: Bearer <token>` with one that is in its `api.token` (SERVICE_DISCOVERY_TOKEN). ' +
    OPENS_READS
  );
}

/** @param sign why the request does not count as one from this machine */
function isClosed(sign: string): string {
  return (
    `Without a token or a guard this is open to programs on the registry's own machine only, and ${sign}. ` +
    'Set `api.token` (SERVICE_DISCOVERY_TOKEN) in the process of the registry, or `api.guard`, to let others in; ' +
    'a controller that a module of the app mounts gets its guard by `@UseGuards()` on a class that extends it. ' +
    OPENS_READS
  );
}
