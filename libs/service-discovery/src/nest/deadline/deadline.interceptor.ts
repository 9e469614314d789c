import { type CallHandler, type ExecutionContext, Inject, Injectable, type NestInterceptor } from '@nestjs/common';
import { Observable } from 'rxjs';
import { type Clock } from '../../common/index.js';
import { DEADLINE_HEADER } from '../../communicator/index.js';
import { CLOCK } from '../tokens.js';
import { type PeerRequest } from '../rest/access/local-request.js';
import { withDeadline } from './current-deadline.js';
import { DeadlineTrust } from './deadline-trust.js';

/** Milliseconds since the epoch for as long as anybody will ask, and never more digits than a number holds exactly. */
const EPOCH_MS = /^\d{1,15}$/;

/**
 * The minimum time that a deadline leaves, in milliseconds. With less, calls would be started only to be cancelled,
 * each at the cost of a connection; and between machines it is hardly more than the clock difference.
 */
const FLOOR_MS = 100;

/**
 * Makes the deadline in a request's header the current one for its handler. An interceptor rather than a middleware: on
 * Fastify, an AsyncLocalStorage set in a middleware is lost when the body is read.
 */
@Injectable()
export class DeadlineInterceptor implements NestInterceptor {
  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(DeadlineTrust) private readonly trust: DeadlineTrust,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const deadline = context.getType() === 'http' ? this.deadlineOf(context.switchToHttp().getRequest()) : undefined;
    if (deadline === undefined) return next.handle();
    return new Observable((subscriber) => withDeadline(deadline, () => next.handle().subscribe(subscriber)));
  }

  /**
   * A deadline in the past is ignored: the sender still waits by its own clock, or the request would not have arrived.
   * The clocks must differ, and every call would fail.
   */
  private deadlineOf(request: PeerRequest): number | undefined {
    const given = (request as Partial<PeerRequest>).headers?.[DEADLINE_HEADER];
    if (typeof given !== 'string' || !EPOCH_MS.test(given)) return undefined;
    const deadline = Number(given);
    const now = this.clock.epoch();
    if (deadline <= now || !this.trust.accepts(request)) return undefined;
    return Math.max(deadline, Math.ceil(now + FLOOR_MS));
  }
}
