import { type Logger } from '@nestjs/common';
import { type Clock, messageOf, settlesWithin, sleep, type Timer } from '../../common/index.js';
import { type OwnInstancesReport, type ServiceRegistry } from '../../registry/index.js';
import { type HttpDrain, type OpenResponse } from './http-drain.js';

/** Timeout of a step that waits for the registry or for others. */
export const STEP_MS = 2_000;
/**
 * How long callers may take to notice the shutdown. After that, their connections have closed as idle:
 * `UndiciTransport` keeps them for 4 s.
 */
const CALLERS_PATIENCE_MS = 5_000;
/** Minimum time for late work, such as a request in transit, or the close frame of a WebSocket. */
const LAST_WORDS_MS = 500;
/** Number of aborted requests named in the log. */
const NAMED_REQUESTS = 5;

export interface GracefulShutdownDeps {
  readonly registry: Pick<ServiceRegistry, 'ownLeases' | 'drainOwn' | 'deregisterOwn'>;
  /** Stops everything else that reports this process's instances to the registry. */
  readonly fallSilent: () => Promise<unknown>;
  /** Undefined without an HTTP server. */
  readonly drain: HttpDrain | undefined;
  readonly clock: Clock;
  readonly logger: Pick<Logger, 'warn'>;
}

/** The steps of a graceful shutdown. For the timeline see docs/startup-and-shutdown.md. */
export class GracefulShutdown {
  private readonly endsAt: number;
  private impatience: readonly Timer[] = [];

  constructor(
    private readonly options: { readonly drainDelayMs: number; readonly timeoutMs: number },
    private readonly deps: GracefulShutdownDeps,
  ) {
    this.endsAt = deps.clock.now() + options.drainDelayMs + options.timeoutMs;
  }

  /** Diverts callers, and resolves when they have left and their requests are done. Never rejects. */
  async drain(): Promise<void> {
    const { registry, fallSilent, drain, clock } = this.deps;
    drain?.begin();
    await this.step(fallSilent);
    let isRegistered = false;
    await this.step(() => (isRegistered = registry.ownLeases().length > 0));
    if (isRegistered) await this.step(() => registry.drainOwn());
    // An app without registrations may still receive requests from a load balancer that probes its readiness.
    if ((isRegistered || drain?.isListening) && this.options.drainDelayMs > 0)
      await sleep(clock, this.options.drainDelayMs);
    if (isRegistered) await this.step(async () => this.reportLeftovers(await registry.deregisterOwn()));
    if (drain) await this.finish(drain);
  }

  /** Resolves when the server may close, after preparing it. */
  async beforeClose(): Promise<void> {
    const { drain, clock } = this.deps;
    if (!drain) return;
    await settlesWithin(clock, this.left, drain.delivered());
    // Nest 11 runs its hooks once per `close()`, even concurrently.
    this.closed();
    this.impatience = [
      clock.setTimer(() => drain.cutIdle(), LAST_WORDS_MS),
      // The app's own hooks may have used up the time.
      clock.setTimer(() => this.cut(drain, drain.inFlight()), Math.max(this.left, LAST_WORDS_MS)),
    ];
  }

  /** Called when the server has closed. */
  closed(): void {
    for (const timer of this.impatience) timer.cancel();
  }

  /**
   * Whether the work finished within the timeout of a step. Never rejects: the next step must run in any case, also if
   * a test replaced a dependency with an incomplete stand-in.
   */
  step(work: () => unknown): Promise<boolean> {
    const { clock } = this.deps;
    const done = (async () => work())();
    return settlesWithin(clock, Math.min(STEP_MS, this.options.timeoutMs), done);
  }

  private get left(): number {
    return Math.max(0, this.endsAt - this.deps.clock.now());
  }

  private async finish(drain: HttpDrain): Promise<void> {
    const { clock } = this.deps;
    await settlesWithin(clock, Math.min(this.left, CALLERS_PATIENCE_MS), drain.callersGone());
    // Not later requests: callers that do not know of the shutdown may send them endlessly while the server listens.
    const awaited = drain.inFlight();
    if (!(await settlesWithin(clock, this.left, drain.ended(awaited)))) this.cut(drain, awaited);
    // Accepted requests are answered before the app's own modules close.
    drain.stopListening();
    await settlesWithin(clock, LAST_WORDS_MS, drain.newcomersGone());
    if (!(await settlesWithin(clock, Math.max(this.left, LAST_WORDS_MS), drain.idle())))
      this.cut(drain, drain.inFlight());
    drain.shutOut();
  }

  private cut(drain: HttpDrain, responses: readonly OpenResponse[]): void {
    const cut = drain.cut(responses);
    if (cut.length === 0) return;
    const which = [...cut.slice(0, NAMED_REQUESTS), ...(cut.length > NAMED_REQUESTS ? ['…'] : [])].join(', ');
    this.deps.logger.warn(
      `Requests in flight did not end within shutdown.timeout, ${cut.length} were cut off: ${which}`,
    );
  }

  private reportLeftovers({ failed }: OwnInstancesReport): void {
    for (const { key, error } of failed) {
      this.deps.logger.warn(
        `${key.serviceName}/${key.instanceId} could not be deregistered, its lease will run out: ${messageOf(error)}`,
      );
    }
  }
}
