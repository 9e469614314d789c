import { type ErrorCode, ServiceDiscoveryError } from '../../common/index.js';
import { type EventSink } from '../../model/index.js';
import { type Next, type PolicyCall, type StageName } from './stage.js';

/** What a stage that refuses calls works with. */
export interface GuardDeps {
  readonly events: EventSink;
  /** The `service` of its events and errors. */
  readonly name: string;
}

/**
 * Runs the rest of the stages inside of a guard, and reports a call that the guard does not let in. Whoever aborts while
 * it waits was not refused.
 * @param stage whose guard it is
 * @param code that of the guard's refusals
 */
export async function runGuarded<T>(
  { stage, code }: { readonly stage: StageName; readonly code: ErrorCode },
  guard: (enter: () => Promise<T>) => Promise<T>,
  call: PolicyCall,
  next: Next<T>,
  { events, name: service }: GuardDeps,
): Promise<T> {
  let entered = false;
  try {
    return await guard(() => {
      entered = true;
      return next(call);
    });
  } catch (error) {
    if (!entered && error instanceof ServiceDiscoveryError && error.code === code) {
      events.emit('call.refused', { service, stage, code, retryAfterMs: error.retryAfterMs });
    }
    throw error;
  }
}
