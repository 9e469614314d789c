import { ServiceDiscoveryError } from '../../common/index.js';
import { type Call } from './call.js';
import { type CallStage } from './stage.js';

/**
 * Runs a call through its stages, and reports how it ended.
 * @throws ServiceDiscoveryError with `attempts`; the caller's abort reason as it is
 */
export async function runCall<T>(call: Call<T>, outermost: CallStage): Promise<T> {
  const { clock } = call.deps;
  let ended: { readonly error?: unknown } = {};
  try {
    return await outermost.run(call);
  } catch (error) {
    ended = { error };
    if (error instanceof ServiceDiscoveryError) error.attempts = call.attempts;
    throw error;
  } finally {
    call.end();
    const failed = 'error' in ended;
    const error = failed ? ended.error : call.concealed;
    call.deps.events.emit('call.completed', {
      service: call.service,
      instanceId: call.last?.instance.instanceId,
      ok: error === undefined && !failed && call.verdict === 'success',
      status: call.status,
      code: error === undefined ? undefined : codeOf(error, call.caller?.aborted),
      attempts: call.attempts,
      durationMs: clock.now() - call.began,
    });
  }
}

/** The caller's abort may have any reason at all. */
function codeOf(error: unknown, isAborted: boolean | undefined): string | undefined {
  if (error instanceof ServiceDiscoveryError) return error.code;
  return isAborted ? 'ABORTED' : undefined;
}
