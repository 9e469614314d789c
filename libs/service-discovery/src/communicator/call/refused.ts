import { ServiceDiscoveryError } from '../../common/index.js';
import { type Call } from './call.js';
import { type CallStageName } from './stage.js';

/**
 * Reports a call that a stage does not let in. Whoever aborts while it waits was not refused.
 * @returns the error, to be thrown
 */
export function refused<T>({ service, scope, deps }: Call<T>, stage: CallStageName, error: unknown): unknown {
  if (error instanceof ServiceDiscoveryError && !scope.aborted) {
    const { code, retryAfterMs } = error;
    deps.events.emit('call.refused', { service, stage, code, retryAfterMs });
  }
  return error;
}
