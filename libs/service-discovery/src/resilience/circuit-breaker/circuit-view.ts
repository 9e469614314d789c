import { CircuitOpenError } from '../../common/index.js';
import { type CircuitState } from '../../model/index.js';
import { type CallCounts } from './call-window.js';

/** The states that an operator can force. */
export type ForcedCircuit = (typeof FORCED_CIRCUITS)[number];
export const FORCED_CIRCUITS = ['isolated', 'closed'] as const;

/** The calls that the rates are computed from. */
export interface CircuitWindow extends CallCounts {
  /** The share of them that failed; undefined while there is none. */
  readonly failureRate?: number;
  /** The share of them that were slow; undefined while there is none. */
  readonly slowCallRate?: number;
}

/** The state of a circuit at one moment. */
export interface CircuitSnapshot {
  readonly state: CircuitState;
  /** The state that an operator forced. */
  readonly forced?: ForcedCircuit;
  /** The failures that count now, or that opened it. */
  readonly failures: number;
  /** Closed although a condition to open is met, since as many circuits of the service are open as `maxOpenShare` allows. */
  readonly heldClosed?: true;
  /** Left out where no rate opens the circuit. */
  readonly window?: CircuitWindow;
  /** How long it has been in this state, in milliseconds. */
  readonly stateAgeMs: number;
  /** How long until a call may be let through; undefined where none is refused, and where only `reset` ends the refusal. */
  readonly retryAfterMs?: number;
  /** Half open: the permits that are taken. */
  readonly probes: number;
  /** Closed: the share of the calls that is let through, less than 1 during the ramp. */
  readonly share: number;
}

export function viewWindow({ calls, failed, slow }: CallCounts): CircuitWindow {
  const counts = { calls, failed, slow };
  return calls === 0 ? counts : { ...counts, failureRate: failed / calls, slowCallRate: slow / calls };
}

/** The error for a call that is refused. */
export function createRefusal(
  { state, retryAfterMs }: Pick<CircuitSnapshot, 'state' | 'retryAfterMs'>,
  service: string | undefined,
  tooSlow: boolean,
): CircuitOpenError {
  const subject = service === undefined ? 'The circuit' : `The circuit of "${service}"`;
  if (state === 'isolated') return new CircuitOpenError(`${subject} was opened by hand`, { service });
  const why =
    state === 'closed'
      ? 'has closed just now and lets only a part of the calls through'
      : `is open after too many ${tooSlow ? 'slow calls' : 'failures'}`;
  if (retryAfterMs === undefined) return new CircuitOpenError(`${subject} ${why}`, { service });
  // Rounded up, so that a retry after that time is not too early.
  const wholeMs = Math.ceil(retryAfterMs);
  return new CircuitOpenError(`${subject} ${why}: try again in ${wholeMs} ms`, { service, retryAfterMs: wholeMs });
}
