import { type Cancellation, nameOfRequest, ServiceDiscoveryError } from '../../common/index.js';
import {
  type AttemptDriver,
  type FailedAttempt,
  type NoRetryReason,
  parsePushback,
  parseRetryAfter,
  reasonOf,
} from '../../resilience/index.js';
import { type AttemptSpan } from '../call-tracer.js';
import { Attempt, classifyOutcome, type Sender } from './attempt.js';
import { type Call } from './call.js';
import { pickContextOf } from './pick-context.js';
import { pickTarget, type Target } from './pick-target.js';

/**
 * Makes attempts by picking an instance and sending the request to it. Each attempt picks again, since another instance
 * is the best remedy for a failure.
 */
export class HttpAttempts implements AttemptDriver<Call<unknown>, Attempt<unknown>> {
  constructor(private readonly sender: Sender) {}

  run(call: Call<unknown>, parent: Cancellation = call.scope, isHedge = false): Promise<Attempt<unknown>> {
    const now = call.deps.clock.now();
    const target = pickTarget(call, isHedge, now);
    return new Attempt(call, target, parent, now, call.span && spanOf(call, target, isHedge)).run(this.sender);
  }

  failureOf(call: Call<unknown>, failed: Attempt<unknown>): FailedAttempt {
    const { view, request, deps, scope } = call;
    const headers = failed.error === undefined ? failed.response?.headers : undefined;
    return {
      attempts: call.attempts,
      outcome: failed.verdict,
      error: failed.error,
      notSent: failed.neverSent,
      retryAfterMs: parseRetryAfter(headers?.['retry-after'], deps.clock.epoch()),
      pushbackMs: parsePushback(headers?.['grpc-retry-pushback-ms']),
      aborted: scope.aborted,
      remainingMs: scope.remainingMs(),
      // Both look through all instances, so evaluate them only when nothing else rules out a retry.
      get anotherInstance() {
        return hasUntried(call);
      },
      get circuitWaitMs() {
        return view.circuitWaitMs(request.criteria);
      },
    };
  }

  async accept(call: Call<unknown>, attempt: Attempt<unknown>, why: NoRetryReason): Promise<unknown> {
    if (why === 'budget_exhausted' && !attempt.response) throw budgetExhausted(call, attempt);
    return attempt.accept();
  }

  canHedge(call: Call<unknown>): boolean {
    return !call.deps.closing.aborted && hasUntried(call);
  }

  noteAbort(call: Call<unknown>, error: unknown): void {
    const { picked: instance, abandoned, view } = call;
    if (!instance) return;
    const outcome = { kind: 'error', error, neverSent: false, abandoned, latencyMs: 0 } as const;
    const verdict = classifyOutcome(outcome, view.settings.retry);
    const rushed = call.isRushed();
    const counted = rushed ? 'ignored' : verdict;
    call.note({ instance, reason: reasonOf(error), status: undefined, verdict, counted, rushed, error });
  }
}

function spanOf(call: Call<unknown>, { instance, picked }: Target, isHedge: boolean): AttemptSpan | undefined {
  const { span, view, attempts: attempt, prepared } = call;
  const { strategyName: strategy } = view.settings;
  const [path = ''] = prepared.path.split('?', 1);
  return span?.startAttempt({ instance, strategy, failOpen: picked.failOpen === true, attempt, isHedge, path });
}

function hasUntried(call: Call<unknown>): boolean {
  const { view, request, prepared } = call;
  return view.hasUntried(pickContextOf(view, request, prepared, call.idsTried(), view.refusal));
}

function budgetExhausted(
  { service, prepared }: Call<unknown>,
  { instance, error: cause }: Attempt<unknown>,
): ServiceDiscoveryError {
  const request = nameOfRequest(prepared);
  return new ServiceDiscoveryError(
    'RETRY_BUDGET_EXHAUSTED',
    `${request} of ${service} failed (${reasonOf(cause)}), and too many calls are being retried to retry this one. ` +
      'Find out why calls fail; for calls that are rare, raise retry.budget.minPerSecond',
    { service, instanceId: instance.instanceId, request, cause },
  );
}
