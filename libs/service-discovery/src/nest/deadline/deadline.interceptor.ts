import { type CallHandler, type ExecutionContext, Inject, Injectable, type NestInterceptor } from '@nestjs/common';
import { Observable } from 'rxjs';
import { type Clock } from '../../common/index.js';
import { DEADLINE_HEADER } from '../../communicator/index.js';
import { CLOCK } from '../tokens.js';
import { type PeerRequest } from '../rest/local-request.js';
import { withDeadline } from './current-deadline.js';
import { DeadlineTrust } from './deadline-trust.js';

/** Milliseconds since the epoch for as long as anybody will ask, and never more digits than a number holds exactly. */
const EPOCH_MS = /^\d{1,15}$/;

/**
 * What a deadline leaves the calls at least, in milliseconds. A nearer one would have them begun only to be cancelled, each at the
 * price of a connection, and between machines it is hardly more than the difference of their clocks.
 */
const FLOOR_MS = 100;

/**
 * Makes the deadline in a request's header the current one for its handler. An interceptor rather than a middleware:
 * on Fastify what a middleware puts into an AsyncLocalStorage is lost where the body is read.
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
   * One that has passed is not taken up: by the sender's clock the answer is still awaited, or the request would not have
   * arrived, so that the clocks of the two must be apart, and every call would fail.
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
