import {
  type CanActivate,
  type ExecutionContext,
  Inject,
  Injectable,
  type OnModuleInit,
  type Type,
} from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { isObservable, lastValueFrom } from 'rxjs';
import { InvalidConfigurationError } from '../../../common/index.js';
import { type ApiRefusalReason } from '../../../model/index.js';
import { API_OPTIONS, type ApiOptions } from '../api-options.js';
import { restoreHeaders } from '../request-body.js';
import { ApiAccess } from './api-access.js';
import { type Caller, GUARD_CALLER, LOCAL_CALLER } from './caller.js';
import { type Identified, type InvalidCredential } from './callers.js';
import { findRemoteSign, type PeerRequest } from './local-request.js';
import { type RequestAccess, setAccess } from './request-access.js';
import { AccessError, isOpenRead, rightOf, Rights, type RouteRight } from './rights.js';

type ApiRequest = PeerRequest & {
  readonly method: string;
  readonly params?: Readonly<Record<string, string | undefined>>;
};

/** Why a request is refused that shows no caller. */
interface Unidentified {
  readonly reason: ApiRefusalReason;
  readonly error: AccessError;
}

/** Nest's own metadata of the guards of a class; it exports the name from different places in 11 and 12. */
const GUARDS = '__guards__';

/** The requests that {@link ApiGuard} was asked about. */
const asked = new WeakSet<object>();

/**
 * Keeps the API closed by default: everything, or with `guardReads: false` what is no plain read.
 *
 * 1. A request with the shared token may do everything.
 * 2. What a caller may do whose credential a rule of `api.access` names, the rules say.
 * 3. For all others the app's own guard decides, if there is one.
 * 4. Where there is neither a guard nor a list of rules, a request without a token from this machine may do everything.
 *
 * `api.authorize` is asked last and can only refuse. Guards that a class of the app has by `@UseGuards()`, where it extends
 * one of the controllers, are asked after this one, and decide in place of steps 2 to 4.
 */
@Injectable()
export class ApiGuard implements CanActivate, OnModuleInit {
  private guard: CanActivate | undefined;

  constructor(
    @Inject(API_OPTIONS) private readonly api: ApiOptions,
    @Inject(ModuleRef) private readonly moduleRef: ModuleRef,
    @Inject(ApiAccess) private readonly access: ApiAccess,
  ) {}

  /** @throws InvalidConfigurationError when the guard is a class that cannot be made here */
  async onModuleInit(): Promise<void> {
    const { guard } = this.api;
    this.guard = typeof guard === 'function' ? await this.instantiate(guard) : guard;
  }

  /** @throws AccessError; KeysUnavailableError if no key is there to check the request's token */
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<ApiRequest>();
    asked.add(request);
    restoreHeaders(request);
    const isOpen = !this.api.guardReads && isOpenRead(request.method, context);
    const right = rightOf(request.method, context);
    const { action } = right;
    let found = await this.identify(request, context.getClass());
    const isKnown = found && !('error' in found) && found.caller !== GUARD_CALLER;
    if (this.guard && !isKnown && !isOpen) {
      if (!(await resultOf(this.guard.canActivate(context)))) {
        this.access.report({ action, reason: 'guard', message: 'The guard of the API, `api.guard`, refused it.' });
        return false;
      }
      found = toIdentified(GUARD_CALLER);
    }
    if (found && 'error' in found && !isOpen) {
      const { reason, error } = found;
      this.access.report({ action, reason, message: error.message });
      throw error;
    }
    const identified = found && 'caller' in found ? found : undefined;
    const access = this.access.accessOf(identified, request, isOpen);
    setAccess(request, access);
    await this.assertMay(access, right, request.params);
    return true;
  }

  /** @returns undefined where only the app's guard can tell */
  private async identify(request: PeerRequest, controller: Type): Promise<Identified | Unidentified | undefined> {
    const shown = await this.access.find(request);
    const known = shown && 'caller' in shown ? shown : undefined;
    if (known?.caller.kind === 'shared-token') return known;
    if (hasOwnGuard(controller)) return toIdentified(GUARD_CALLER);
    if (known && !known.rights.areNone) return known;
    if (this.guard) return undefined;
    if (shown) return known ?? invalid(shown as InvalidCredential);
    const sign = findRemoteSign(request);
    if (this.api.access) return unidentified(new AccessError('UNAUTHORIZED', NEEDS_CREDENTIAL, { challenge: '' }));
    if (sign === undefined) return toIdentified(LOCAL_CALLER);
    return unidentified(
      this.api.token
        ? new AccessError('UNAUTHORIZED', needsToken(sign), { challenge: '' })
        : new AccessError('FORBIDDEN', isClosed(sign)),
    );
  }

  /** What a body names is checked once it is read. */
  private async assertMay(
    access: RequestAccess,
    { action, everywhere }: RouteRight,
    { name: serviceName, id: instanceId }: NonNullable<ApiRequest['params']> = {},
  ): Promise<void> {
    if (action === 'register') return access.assertMayWrite(serviceName);
    if (everywhere) access.assertMayEverywhere(action);
    await access.assertMay(action, { serviceName, instanceId });
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

/** Whether {@link ApiGuard} was asked: a request that was refused without that was refused by a global guard of the app. */
export function wasAsked(request: object): boolean {
  return asked.has(request);
}

function toIdentified(caller: Caller): Identified {
  return { caller, rights: Rights.all };
}

function unidentified(error: AccessError): Unidentified {
  return { reason: 'no_credential', error };
}

/** A client gets a new token of its issuer for 401, as RFC 6750 has it; another shared token it cannot get. */
function invalid({ invalid: message, isRenewable }: InvalidCredential): Unidentified {
  const error = isRenewable
    ? new AccessError('UNAUTHORIZED', message, { challenge: ', error="invalid_token"' })
    : new AccessError('FORBIDDEN', message);
  return { reason: 'wrong_credential', error };
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

const NEEDS_CREDENTIAL =
  "This needs a credential that a rule of the registry's `api.access` names: a token or a JSON web token, sent as " +
  '`Authorization: Bearer <token>`, or a client certificate.';

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
