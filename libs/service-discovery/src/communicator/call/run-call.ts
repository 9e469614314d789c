import { nameOfRequest, ServiceDiscoveryError } from '../../common/index.js';
import { addressOf } from '../../model/index.js';
import { type Next } from '../../resilience/index.js';
import { type Call } from './call.js';

/**
 * Runs a call through its stages and reports the outcome.
 * @throws ServiceDiscoveryError with `attempts`; the caller's abort reason unchanged
 */
export function runCall<T>(call: Call<T>, outermost: Next<Call<unknown>, unknown>): Promise<T> {
  let running: Promise<T>;
  try {
    running = outermost.run(call) as Promise<T>;
  } catch (error) {
    running = rejected(error);
  }
  return running.then(
    (value) => {
      report(call, call.concealed, call.concealed === undefined && call.verdict === 'success');
      return value;
    },
    (error: unknown) => {
      if (error instanceof ServiceDiscoveryError) error.attempts = call.attempts;
      report(call, error, false);
      throw error;
    },
  );
}

/** @param error also the error that a stale answer hides */
function report<T>(call: Call<T>, error: unknown, ok: boolean): void {
  call.end();
  const instance = call.last?.instance;
  const end = {
    service: call.service,
    instanceId: instance?.instanceId,
    ok,
    status: call.status,
    code: error === undefined ? undefined : codeOf(error, call.caller?.aborted),
    attempts: call.attempts,
    durationMs: call.deps.clock.now() - call.began,
  };
  // A successful call makes no texts.
  const what = ok ? end : { ...end, request: nameOfRequest(call.prepared), address: instance && addressOf(instance) };
  call.events.emit('call.completed', what);
}

/** The reason of a caller's abort may be any value. */
function codeOf(error: unknown, isAborted: boolean | undefined): string | undefined {
  if (error instanceof ServiceDiscoveryError) return error.code;
  return isAborted ? 'ABORTED' : undefined;
}

/** Reports an error from before the call began as a rejected promise, like any other. */
export async function rejected(error: unknown): Promise<never> {
  throw error;
}
