import { invalidRequest, OptionValidator } from '../common/index.js';
import { type CallSettings, type CallTimes, COMMUNICATOR_OPTIONS } from './options/index.js';
import { type ServiceCallRequest } from './request.js';

/**
 * Timeouts of a call, from the request or else from the settings.
 * @throws ServiceDiscoveryError `INVALID_REQUEST` for an invalid duration, or an attempt timeout above the call's
 */
export function timesFor(
  service: string,
  { timeout, attemptTimeout }: ServiceCallRequest,
  settings: CallSettings,
): CallTimes {
  if (timeout === undefined && attemptTimeout === undefined) return settings;
  const check = new OptionValidator();
  const { timeout: forCall, attemptTimeout: forAttempt } = COMMUNICATOR_OPTIONS.options;
  const timeoutMs = timeout === undefined ? settings.timeoutMs : forCall.read(timeout, 'timeout', check);
  const attemptMs =
    attemptTimeout === undefined ? settings.attemptTimeoutMs : forAttempt.read(attemptTimeout, 'attemptTimeout', check);
  if (timeout !== undefined && attemptTimeout !== undefined && attemptMs > timeoutMs) {
    check.problem('attemptTimeout', attemptTimeout, `at most the timeout of the whole call (${timeout})`);
  }
  if (check.problems.length > 0) throw invalidRequest(check.problems, service);
  return { timeoutMs, attemptTimeoutMs: attemptMs, leavesRoom: settings.leavesRoom && attemptTimeout === undefined };
}
