import { type Logger } from '@nestjs/common';
import { type Clock, messageOf, settlesWithin, sleep, type Timer } from '../../common/index.js';
import { type OwnInstancesReport, type ServiceRegistry } from '../../registry/index.js';
import { type HttpDrain, type OpenResponse } from './http-drain.js';

/** What a step may take that waits for the registry or for others. */
export const STEP_MS = 2_000;
/**
 * How long callers may take to hear that this process ends. By then their connections would have closed by themselves
 * for being idle, as `UndiciTransport` keeps them for 4 s.
 */
const CALLERS_PATIENCE_MS = 5_000;
/** What those get in any case who come last, such as with a request that was on its way, or with the closing words of a WebSocket. */
const LAST_WORDS_MS = 500;
/** How many requests that were cut off are named in the log. */
const NAMED_REQUESTS = 5;

export interface GracefulShutdownDeps {
  readonly registry: Pick<ServiceRegistry, 'ownLeases' | 'drainOwn' | 'deregisterOwn'>;
  /** Ends what else tells the registry of this process's instances. */
  readonly fallSilent: () => Promise<unknown>;
  /** Undefined where nothing listens for HTTP. */
  readonly drain: HttpDrain | undefined;
  readonly clock: Clock;
  readonly logger: Pick<Logger, 'warn'>;
}

/** How a process leaves, from the moment on at which it is told to. The timeline stands in docs/startup-and-shutdown.md. */
export class GracefulShutdown {
  private readonly endsAt: number;
  private impatience: readonly Timer[] = [];

  constructor(
    private readonly options: { readonly drainDelayMs: number; readonly timeoutMs: number },
    private readonly deps: GracefulShutdownDeps,
  ) {
    this.endsAt = deps.clock.now() + options.drainDelayMs + options.timeoutMs;
  }

  /** Tells callers to go elsewhere, and resolves when they have gone and what they asked for is done. Never rejects. */
  async drain(): Promise<void> {
    const { registry, fallSilent, drain, clock } = this.deps;
    drain?.begin();
    await this.step(fallSilent);
    let isRegistered = false;
    await this.step(() => (isRegistered = registry.ownLeases().length > 0));
    if (isRegistered) await this.step(() => registry.drainOwn());
    // Also one that nobody finds by the registry may get calls, by a load balancer that asks for its readiness.
    if ((isRegistered || drain?.isListening) && this.options.drainDelayMs > 0)
      await sleep(clock, this.options.drainDelayMs);
    if (isRegistered) await this.step(async () => this.reportLeftovers(await registry.deregisterOwn()));
    if (drain) await this.finish(drain);
  }

  /** Resolves when the server may close, and sees to it that it can. */
  async beforeClose(): Promise<void> {
    const { drain, clock } = this.deps;
    if (!drain) return;
    await settlesWithin(clock, this.left, drain.delivered());
    // Nest 11 goes through its hooks once for each `close()`, also at the same time.
    this.closed();
    this.impatience = [
      clock.setTimer(() => drain.cutIdle(), LAST_WORDS_MS),
      // The app's own hooks may have taken all the time that there was.
      clock.setTimer(() => this.cut(drain, drain.inFlight()), Math.max(this.left, LAST_WORDS_MS)),
    ];
  }

  /** The server has closed. */
  closed(): void {
    for (const timer of this.impatience) timer.cancel();
  }

  /**
   * Whether the work was done in the time for a step. Never rejects: the next step is taken in any case, also where a test has
   * put something in place of what does the work that cannot do it.
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
    // Not what comes in meanwhile, from who does not know that this app ends: of that there may be no end while it listens.
    const awaited = drain.inFlight();
    if (!(await settlesWithin(clock, this.left, drain.ended(awaited)))) this.cut(drain, awaited);
    // Whoever was let in is answered before the app's own modules close.
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
