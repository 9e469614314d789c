import { Inject, Injectable } from '@nestjs/common';
import { HttpAdapterHost, ModulesContainer } from '@nestjs/core';
import { type Clock } from '../../common/index.js';
import { makesCalls } from '../makes-calls.js';
import { type ResolvedServiceDiscoveryOptions } from '../options/index.js';
import { type PeerRequest } from '../rest/access/local-request.js';
import { CLOCK, OPTIONS_IN_FORCE } from '../tokens.js';
import { DeadlineReader } from './deadline-reader.js';
import { DeadlineTrust } from './deadline-trust.js';
import { isIncomingWanted, runIncoming, wantIncoming } from './incoming-context.js';
import { PassedOnReader, REQUEST_ID_OPTIONS } from './passed-on.js';

type Next = () => void;

interface FastifyLike {
  addHook(name: 'preHandler', hook: (request: PeerRequest, reply: unknown, next: Next) => void): void;
}

/**
 * Sets the {@link IncomingContext} of each request for its handler. It is a hook of the platform, since a global interceptor
 * would take every request of the app through RxJS.
 */
@Injectable()
export class IncomingHook {
  /** Undefined: requests set no deadlines. */
  private readonly deadlines: DeadlineReader | undefined;
  /** Undefined: requests pass nothing on. */
  private readonly passedOn: PassedOnReader | undefined;

  constructor(
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
    @Inject(OPTIONS_IN_FORCE)
    {
      inheritDeadline,
      requestId,
      traceContext,
    }: Pick<ResolvedServiceDiscoveryOptions, 'inheritDeadline' | 'requestId' | 'traceContext'>,
    @Inject(CLOCK) clock: Clock,
    @Inject(DeadlineTrust) trust: DeadlineTrust,
    @Inject(ModulesContainer) private readonly modules: ModulesContainer,
  ) {
    if (inheritDeadline !== false) this.deadlines = new DeadlineReader(clock, trust);
    if (requestId === false && !traceContext) return;
    this.passedOn = new PassedOnReader(requestId !== false && REQUEST_ID_OPTIONS.resolve(requestId), traceContext);
  }

  /**
   * Call it after the body parsers are registered and before the routes: an `AsyncLocalStorage` loses its store when a body
   * is read by events. Does nothing if no option needs to read requests.
   */
  attach(): void {
    if (!this.deadlines && !this.passedOn) return;
    if (makesCalls(this.modules)) wantIncoming();
    const { httpAdapter } = this.host;
    if (httpAdapter.getType() === 'fastify') {
      const hook = (request: PeerRequest, _reply: unknown, next: Next): void => this.enter(request, next);
      httpAdapter.getInstance<FastifyLike>().addHook('preHandler', hook);
    } else {
      httpAdapter.use((request: PeerRequest, _response: unknown, next: Next) => this.enter(request, next));
    }
  }

  /** A request without a deadline or headers to propagate enters no context; if no context is wanted, no header is read. */
  private enter(request: PeerRequest, next: Next): void {
    if (!isIncomingWanted()) {
      next();
      return;
    }
    const deadline = this.deadlines?.read(request);
    const passedOn = this.passedOn?.read(request);
    if (deadline === undefined && passedOn === undefined) next();
    else runIncoming({ deadline, passedOn }, next);
  }
}
