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

/** Why a request without a valid credential is refused. */
interface Unidentified {
  readonly reason: ApiRefusalReason;
  readonly error: AccessError;
}

/** The metadata key of Nest's `@UseGuards()`; Nest 11 and 12 export it from different places. */
const GUARDS = '__guards__';

/** The requests that reached {@link ApiGuard}. */
const asked = new WeakSet<object>();

/**
 * Protects the API by default: every route, or with `guardReads: false` all but plain reads.
 *
 * 1. A request with the shared token may do everything.
 * 2. A caller whose credential matches a rule of `api.access` gets the rights of the rule.
 * 3. For all other requests, the app's guard decides, if there is one.
 * 4. With neither a guard nor rules, a request without a token from this machine may do everything.
 *
 * `api.authorize` is called last and can only refuse. If a class of the app extends one of the controllers and has guards by
 * `@UseGuards()`, they run after this one and replace steps 2 to 4.
 */
@Injectable()
export class ApiGuard implements CanActivate, OnModuleInit {
  private guard: CanActivate | undefined;

  constructor(
    @Inject(API_OPTIONS) private readonly api: ApiOptions,
    @Inject(ModuleRef) private readonly moduleRef: ModuleRef,
    @Inject(ApiAccess) private readonly access: ApiAccess,
  ) {}

  /** @throws InvalidConfigurationError if the guard is a class that cannot be instantiated */
  async onModuleInit(): Promise<void> {
    const { guard } = this.api;
    this.guard = typeof guard === 'function' ? await this.instantiate(guard) : guard;
  }

  /** @throws AccessError; KeysUnavailableError if the keys to verify the request's token cannot be read */
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

  /** @returns undefined if the decision is up to the app's guard */
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

  /** Checks the route's right; the instance that a body names is checked once the body has been read. */
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
      // Not a provider of the app, or a request-scoped one.
    }
    try {
      return await this.moduleRef.create(guard);
    } catch (error) {
      const expected = `a guard that is a provider of the app, or needs global providers only (${String(error)})`;
      throw new InvalidConfigurationError([{ path: 'api.guard', value: guard.name, expected }]);
    }
  }
}

/** Whether a request reached {@link ApiGuard}; if it was refused before, a global guard of the app did it. */
export function wasAsked(request: object): boolean {
  return asked.has(request);
}

function toIdentified(caller: Caller): Identified {
  return { caller, rights: Rights.all };
}

function unidentified(error: AccessError): Unidentified {
  return { reason: 'no_credential', error };
}

/** 401 makes a client fetch a new token from its issuer (RFC 6750). For an invalid shared token that would not help: 403. */
function invalid({ invalid: message, isRenewable }: InvalidCredential): Unidentified {
  const error = isRenewable
    ? new AccessError('UNAUTHORIZED', message, { challenge: ', error="invalid_token"' })
    : new AccessError('FORBIDDEN', message);
  return { reason: 'wrong_credential', error };
}

/** The result of a guard, which Nest allows to be a value, a promise or an observable. */
async function resultOf(answer: ReturnType<CanActivate['canActivate']>): Promise<boolean> {
  return isObservable(answer) ? lastValueFrom(answer) : answer;
}

/** Whether a class that extends a controller of the API has guards of its own. */
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
