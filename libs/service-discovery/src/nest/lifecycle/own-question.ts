import { type Logger } from '@nestjs/common';
import { type Clock } from '../../common/index.js';
import { type CheckPlanner, HttpProbe, runProbe } from '../../health/index.js';
import { type ServiceInstance } from '../../model/index.js';

/** What an app needs to request one of its own routes. */
export interface QuestionDeps {
  readonly clock: Clock;
  readonly logger: Pick<Logger, 'warn'>;
  /** How a process with these options checks instances. */
  readonly planner: CheckPlanner;
  /** Names of the app's global guards. */
  readonly guards: () => readonly string[];
}

/** The request is local: an app that takes longer gets no warning. */
const PATIENCE_MS = 2_000;
/** For any route: these statuses are the app's own, or temporary. */
const INCONCLUSIVE: ReadonlySet<number> = new Set([408, 429, 503]);

/**
 * The status of 300 or above with which a route of the app rejects a check; undefined if it does not. Never rejects.
 */
export async function statusOfRefusal(
  { planner, clock }: Pick<QuestionDeps, 'planner' | 'clock'>,
  instance: ServiceInstance,
  signal: AbortSignal,
): Promise<number | undefined> {
  const { probe, schedule } = planner(instance);
  if (!(probe instanceof HttpProbe)) return undefined;
  const timeoutMs = Math.min(schedule.timeoutMs, PATIENCE_MS);
  const { passed, skipped, statusCode: status } = await runProbe(probe, instance, { clock, timeoutMs, signal });
  if (passed || skipped || status === undefined || status < 300 || INCONCLUSIVE.has(status)) return undefined;
  return status;
}

/** What rejects requests with this status. @param notFound what may hide an existing route */
export function causeOf(status: number, guards: readonly string[], notFound: string): string {
  if (status < 400) return 'it redirects, which is not followed';
  if (status === 404) return notFound;
  if (guards.length === 0) return 'a guard, a middleware or a filter refuses them';
  const which = guards.length > 1 ? 'one of its global guards' : 'its global guard';
  return `${which} (${guards.join(', ')}), a middleware or a filter refuses them`;
}
