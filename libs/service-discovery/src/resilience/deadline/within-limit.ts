import { SignalCancellation, type TimerWheel } from '../../common/index.js';
import { CancelScope, type TimeLimit } from './cancel-scope.js';
import { type PolicyCall } from '../pipeline/stage.js';

/**
 * Runs the rest of a call within a limit of time, which ends as soon as the rest does.
 * @param rest is given the limit, with its signal
 */
export async function withinLimit<T>(
  call: PolicyCall,
  timers: TimerWheel,
  limit: TimeLimit,
  rest: (scope: CancelScope) => Promise<T>,
): Promise<T> {
  const scope = new CancelScope(timers, new SignalCancellation(call.signal), limit);
  try {
    return await rest(scope);
  } finally {
    scope.dispose();
  }
}
