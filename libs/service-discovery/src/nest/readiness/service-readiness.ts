import { Inject, Injectable, Logger } from '@nestjs/common';
import { type HealthIndicatorResult } from '@nestjs/terminus';
import { type Clock, durationText, Listeners, messageOf, settlesWithin } from '../../common/index.js';
import { LOG_CONTEXT } from '../logging.js';
import { CLOCK } from '../tokens.js';

/** A Terminus health indicator, bound to what it asks. */
export type ReadinessCheck = () => HealthIndicatorResult | PromiseLike<HealthIndicatorResult>;

/** Timeout of all checks together. */
const CHECK_PATIENCE_MS = 5_000;
const SHUTTING_DOWN = 'the app shuts down';

interface Hold {
  readonly reason: string;
}

/**
 * Whether this process may receive traffic: not while it is held, a check fails, or it shuts down. Its services
 * register when it listens and is ready; callers and probes learn of later changes.
 *
 * @example
 * const release = this.readiness.hold('the catalog is being loaded');
 * await this.catalog.load();
 * release();
 */
@Injectable()
export class ServiceReadiness {
  private readonly holds = new Set<Hold>();
  private readonly checks = new Set<{ readonly run: ReadinessCheck }>();
  /** A throwing listener must not keep the app from deregistering. */
  private readonly listeners = new Listeners<[]>((error) =>
    new Logger(LOG_CONTEXT).error('A listener of the readiness failed', error),
  );
  private readonly runAll = oneAtATime(() => this.runChecks());
  private closed = false;

  constructor(@Inject(CLOCK) private readonly clock: Clock) {}

  /** Whether shutdown has begun: the process never becomes ready again. */
  get isClosed(): boolean {
    return this.closed;
  }

  /** Why this process is held, regardless of its checks; empty if it is not. */
  get holdReasons(): readonly string[] {
    const reasons = [...this.holds].map(({ reason }) => reason);
    return this.closed ? [SHUTTING_DOWN, ...reasons] : reasons;
  }

  /**
   * Makes the process unready until this hold, and every other one, is released.
   * @param reason what has to happen first, or what is wrong; shown to everyone who queries readiness
   * @returns releases it; idempotent
   */
  hold(reason: string): () => void {
    const hold = { reason };
    this.holds.add(hold);
    this.listeners.call();
    return () => {
      if (this.holds.delete(hold)) this.listeners.call();
    };
  }

  /**
   * Makes the process unready while a Terminus indicator reports `down`, or fails. The check runs before the app's
   * services register, and whenever the readiness route is called; not in between, so use {@link hold} for an outage
   * that callers must learn of at once.
   * @param check such as `() => this.database.pingCheck('database')`; all checks together have 5 s
   * @returns removes it; idempotent
   */
  addCheck(check: ReadinessCheck): () => void {
    const entry = { run: oneAtATime(check) };
    this.checks.add(entry);
    return () => void this.checks.delete(entry);
  }

  /**
   * Notifies of holds, their release, and shutdown.
   * @returns unsubscribes; idempotent
   */
  onChange(listener: () => void): () => void {
    return this.listeners.add(listener);
  }

  /** Results by name; concurrent callers share one run of the checks. Never rejects. */
  check(): Promise<HealthIndicatorResult> {
    if (this.holdReasons.length > 0) return Promise.resolve(this.own());
    return this.runAll().then((results) => ({ ...this.own(), ...results }));
  }

  /** Makes the process unready for good: the app shuts down. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.listeners.call();
  }

  private own(): HealthIndicatorResult<'readiness'> {
    const reasons = this.holdReasons;
    return { readiness: reasons.length > 0 ? { status: 'down', message: reasons.join('; ') } : { status: 'up' } };
  }

  private async runChecks(): Promise<HealthIndicatorResult> {
    const results: HealthIndicatorResult = {};
    const running = [...this.checks].map(async ({ run }, index) => {
      try {
        Object.assign(results, await run());
      } catch (error) {
        results[`check_${index + 1}`] = { status: 'down', message: messageOf(error) };
      }
    });
    if (running.length === 0) return results;
    const isComplete = await settlesWithin(this.clock, CHECK_PATIENCE_MS, Promise.all(running));
    if (isComplete) return results;
    const message = `not every check has answered within ${durationText(CHECK_PATIENCE_MS)}`;
    return { ...results, checks: { status: 'down', message } };
  }
}

/** Concurrent callers share a run: if a check hangs, probes come every few seconds, and each would add another run. */
function oneAtATime(check: ReadinessCheck): () => Promise<HealthIndicatorResult> {
  let running: Promise<HealthIndicatorResult> | undefined;
  const run = async (): Promise<HealthIndicatorResult> => check();
  return () => (running ??= run().finally(() => (running = undefined)));
}

/** Why a process with these results is not ready; empty if it is. */
export function reasonsOf(results: HealthIndicatorResult): string[] {
  return Object.entries(results).flatMap(([key, { status, message }]: [string, Record<string, unknown>]) => {
    if (status !== 'down') return [];
    const reason = typeof message === 'string' ? message : 'down';
    return [key === 'readiness' ? reason : `${key}: ${reason}`];
  });
}
