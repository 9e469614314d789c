import { strategyName } from '../../../balancing/index.js';
import { msOf } from '../../../common/index.js';
import { type CommunicationPattern } from '../../../communicator/index.js';
import { toSettingsView } from './settings-view.js';

/** A pattern as JSON. Durations are seconds. Settings that are not named have their defaults. */
export interface PatternView {
  readonly description: string;
  /** A strategy's name, without options beside it; `custom` for one of the app's own without a name. */
  readonly load_balancing: string;
  readonly timeout: number;
  readonly attempt_timeout: number;
  /** False: one attempt only. */
  readonly retry: Readonly<Record<string, unknown>> | false;
  /** False: none. */
  readonly circuit_breaker: Readonly<Record<string, unknown>> | false;
  /** Calls of one process at one instance at once; false: no limit. */
  readonly concurrency: number | false;
  /** What else a pattern is given, under the options' own names. */
  readonly [option: string]: unknown;
}

export function toPatternView(pattern: CommunicationPattern): PatternView {
  const { description, loadBalancing, timeout, attemptTimeout, retry, circuitBreaker, concurrency, ...more } = pattern;
  return {
    description,
    load_balancing: strategyName(loadBalancing),
    timeout: msOf(timeout) / 1_000,
    attempt_timeout: msOf(attemptTimeout) / 1_000,
    retry: retry && toSettingsView(retry),
    circuit_breaker: circuitBreaker && toSettingsView(circuitBreaker),
    concurrency,
    ...toSettingsView(more),
  };
}
