import { ServiceDiscoveryError } from '../../common/index.js';
import { type CallContext } from './call-context.js';

/**
 * Reports a call that a stage refuses. A caller who aborts while waiting was not refused.
 * @returns the error, to be thrown
 */
export function refused(
  { service, scope, events }: Pick<CallContext, 'service' | 'scope' | 'events'>,
  stage: string,
  error: unknown,
): unknown {
  if (error instanceof ServiceDiscoveryError && !scope.aborted) {
    const { code, retryAfterMs } = error;
    events.emit('call.refused', { service, stage, code, retryAfterMs });
  }
  return error;
}
