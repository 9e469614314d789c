import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { type Clock } from '../../../common/index.js';
import { type ApiRefusalReason, type ApiRight, isServiceName } from '../../../model/index.js';
import { EventBus } from '../../../observability/index.js';
import { CLOCK } from '../../tokens.js';
import { API_OPTIONS, type ApiOptions } from '../api-options.js';
import { type Caller } from './caller.js';
import { Callers, type Identified, type Shown } from './callers.js';
import { JWT_OPTIONS, JwtVerifier } from './jwt-verifier.js';
import { type PeerRequest } from './local-request.js';
import { type Refusal, RequestAccess } from './request-access.js';
import { AccessError, Rights } from './rights.js';

/** Authenticates and authorizes requests, and reports refusals. Shared by all controllers. */
@Injectable()
export class ApiAccess implements OnModuleInit {
  private callers: Callers;

  constructor(
    @Inject(API_OPTIONS) private readonly api: ApiOptions,
    @Inject(EventBus) private readonly events: EventBus,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {
    this.callers = this.createCallers();
  }

  async onModuleInit(): Promise<void> {
    const { jwt } = this.api;
    if (jwt) this.callers = this.createCallers(await JwtVerifier.create(JWT_OPTIONS.resolve(jwt), this.clock));
  }

  /** @throws KeysUnavailableError if the keys to verify the request's token cannot be read */
  find(request: PeerRequest): Promise<Shown> {
    return this.callers.find(request);
  }

  /** @param readsAreOpen whether the route is open to strangers */
  accessOf(identified: Identified | undefined, request: PeerRequest, readsAreOpen: boolean): RequestAccess {
    return new RequestAccess(identified, readsAreOpen, {
      authorize: this.api.authorize,
      peer: request.socket?.remoteAddress,
      refuse: (refusal) => this.deny(refusal),
    });
  }

  /** Counts and logs a refused request. */
  report(refused: {
    readonly action: ApiRight;
    readonly reason: ApiRefusalReason;
    readonly message: string;
    readonly caller?: Caller;
    readonly serviceName?: string;
    readonly instanceId?: string;
  }): void {
    const { action, reason, message, caller, serviceName, instanceId } = refused;
    // A name in a path may be invalid.
    const about = isServiceName(serviceName) ? { service: serviceName, instanceId } : {};
    this.events.emit('api.refused', { action, reason, caller: caller?.id, ...about, message });
  }

  private deny(refusal: Refusal): AccessError {
    this.report(refusal);
    const { message, serviceName: service, instanceId } = refusal;
    return new AccessError('ACCESS_DENIED', message, { service, instanceId });
  }

  private createCallers(jwt?: JwtVerifier): Callers {
    const { token, access: rules, authorize } = this.api;
    return new Callers({ token, rules, jwt, rightsWithoutRules: authorize ? Rights.all : Rights.none });
  }
}
