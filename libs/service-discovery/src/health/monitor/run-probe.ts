import { type Clock, durationText, type Timer } from '../../common/index.js';
import { type ServiceInstance } from '../../model/index.js';
import { failureReason, type Probe, type ProbeResult, shortReason } from '../probes/probe.js';

export interface ProbeLimits {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Cancels the check. */
  readonly signal: AbortSignal;
}

/** Number of timers that a timeout is split into. */
const TIMEOUT_STEPS = 4;

/**
 * Probes an instance once. Never rejects. Settles on timeout or abort even if the probe does not; any error becomes a
 * failure with its reason.
 */
export async function runProbe(
  probe: Probe,
  instance: ServiceInstance,
  { clock, timeoutMs, signal }: ProbeLimits,
): Promise<ProbeResult> {
  const stop = new AbortController();
  const onAbort = (): void => stop.abort(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  const timer = afterRunning(clock, timeoutMs, () =>
    stop.abort(new Error(`timed out after ${durationText(timeoutMs)}`)),
  );
  try {
    return await Promise.race([ask(probe, instance, stop.signal), stopped(stop.signal)]);
  } finally {
    timer.cancel();
    signal.removeEventListener('abort', onAbort);
  }
}

async function ask(probe: Probe, instance: ServiceInstance, signal: AbortSignal): Promise<ProbeResult> {
  try {
    const { passed, skipped, misconfigured, kind, reason, statusCode, data } = await probe.check(instance, signal);
    return {
      passed,
      skipped,
      misconfigured,
      kind,
      reason: reason === undefined ? undefined : shortReason(reason),
      statusCode,
      data,
    };
  } catch (error) {
    return failure(signal, error);
  }
}

function stopped(signal: AbortSignal): Promise<ProbeResult> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(failure(signal));
    signal.addEventListener('abort', () => resolve(failure(signal)), { once: true });
  });
}

function failure(signal: AbortSignal, error?: unknown): ProbeResult {
  return { passed: false, kind: signal.aborted ? 'timeout' : undefined, reason: failureReason(error, signal) };
}

/**
 * Calls `onEnd` after `ms` of running time. The time is split into consecutive timers, so that after a stall (a
 * debugger, a long blocking call, a suspended machine) only one of them has elapsed and the others leave time to
 * process a response that arrived during it.
 */
function afterRunning(clock: Clock, ms: number, onEnd: () => void): Timer {
  let left = TIMEOUT_STEPS;
  const arm = (): Timer => clock.setTimer(onStep, ms / TIMEOUT_STEPS, { keepAlive: false });
  const onStep = (): void => {
    left--;
    if (left > 0) timer = arm();
    else onEnd();
  };
  let timer = arm();
  return { cancel: () => timer.cancel() };
}
