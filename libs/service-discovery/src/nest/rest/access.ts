import {
  type CanActivate,
  type ExecutionContext,
  ForbiddenException,
  Inject,
  Injectable,
  Logger,
  type OnModuleInit,
  SetMetadata,
  type Type,
} from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { type Observable } from 'rxjs';
import { type Clock, InvalidConfigurationError } from '../../common/index.js';
import { LOG_CONTEXT } from '../logging.js';
import { CLOCK } from '../tokens.js';
import { API_OPTIONS, type ApiOptions } from './api-options.js';
import { findRemoteSign, type PeerRequest } from './local-request.js';

/** How often the operator is told that somebody was turned away. */
const WARNING_INTERVAL_MS = 60_000;
const RESTRICTED = Symbol('nest-service-discovery:restricted');

/** Marks a route that changes something, or that shows what is masked elsewhere. */
export const Restricted = (): MethodDecorator => SetMetadata(RESTRICTED, true);

/**
 * Keeps the API closed by default. Restricted routes, with `guardReads` all routes, are open to whom the app's own
 * guard lets in; where there is none, to programs on this machine.
 */
@Injectable()
export class ApiGuard implements CanActivate, OnModuleInit {
  private guard: CanActivate | undefined;
  private warningDue = Number.NEGATIVE_INFINITY;

  constructor(
    @Inject(API_OPTIONS) private readonly api: ApiOptions,
    @Inject(ModuleRef) private readonly moduleRef: ModuleRef,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** @throws InvalidConfigurationError when the guard is a class that cannot be made here */
  async onModuleInit(): Promise<void> {
    const { guard } = this.api;
    this.guard = typeof guard === 'function' ? await this.instantiate(guard) : guard;
  }

  canActivate(context: ExecutionContext): boolean | Promise<boolean> | Observable<boolean> {
    const restricted = Reflect.getMetadata(RESTRICTED, context.getHandler()) === true;
    if (!restricted && !this.api.guardReads) return true;
    if (this.guard) return this.guard.canActivate(context);
    const sign = findRemoteSign(context.switchToHttp().getRequest<PeerRequest>());
    if (sign === undefined) return true;
    const message =
      `Without a guard this is open to programs on the registry's own machine only, and ${sign}. ` +
      'Set `api.guard` to let others in.';
    this.warn(message);
    throw new ForbiddenException(message);
  }

  /** The first deployment on a second machine fails here, and whoever runs the registry is the one who can mend it. */
  private warn(message: string): void {
    const now = this.clock.now();
    if (now < this.warningDue) return;
    this.warningDue = now + WARNING_INTERVAL_MS;
    new Logger(LOG_CONTEXT).warn(`A request was refused. ${message}`);
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
