import { Inject, Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { type Clock } from '../../common/index.js';
import { DEADLINE_HEADER } from '../../communicator/index.js';
import { type ResolvedServiceDiscoveryOptions } from '../options/index.js';
import { CLOCK, OPTIONS_IN_FORCE } from '../tokens.js';
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

type Next = () => void;

interface FastifyLike {
  addHook(name: 'preHandler', hook: (request: PeerRequest, reply: unknown, next: Next) => void): void;
}

/**
 * Makes the deadline in a request's header the current one for its handler. A hook of the platform, since an interceptor for
 * all routes would take every request of the app through RxJS.
 */
@Injectable()
export class DeadlineHook {
  constructor(
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
    @Inject(OPTIONS_IN_FORCE) private readonly options: Pick<ResolvedServiceDiscoveryOptions, 'inheritDeadline'>,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(DeadlineTrust) private readonly trust: DeadlineTrust,
  ) {}

  /**
   * Has to be called after the body parsers are there and before the routes: what an `AsyncLocalStorage` holds is lost where a
   * body is read by events.
   */
  attach(): void {
    const { httpAdapter } = this.host;
    if (this.options.inheritDeadline === false) return;
    if (httpAdapter.getType() === 'fastify') {
      const hook = (request: PeerRequest, _reply: unknown, next: Next): void => this.run(request, next);
      httpAdapter.getInstance<FastifyLike>().addHook('preHandler', hook);
    } else {
      httpAdapter.use((request: PeerRequest, _response: unknown, next: Next) => this.run(request, next));
    }
  }

  private run(request: PeerRequest, next: Next): void {
    const given = request.headers[DEADLINE_HEADER];
    const deadline = given === undefined ? undefined : this.deadlineOf(request, given);
    if (deadline === undefined) next();
    else withDeadline(deadline, next);
  }

  /**
   * A deadline in the past is ignored: the sender still waits by its own clock, or the request would not have arrived.
   * The clocks must differ, and every call would fail.
   */
  private deadlineOf(request: PeerRequest, given: unknown): number | undefined {
    if (typeof given !== 'string' || !EPOCH_MS.test(given)) return undefined;
    const deadline = Number(given);
    const now = this.clock.epoch();
    if (deadline <= now || !this.trust.accepts(request)) return undefined;
    return Math.max(deadline, Math.ceil(now + FLOOR_MS));
  }
}
