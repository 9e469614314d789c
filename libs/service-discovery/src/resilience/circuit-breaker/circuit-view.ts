import { CircuitOpenError, tryAgain } from '../../common/index.js';
import { type CircuitReason, type CircuitState, type EventSink } from '../../model/index.js';
import { type CallCounts } from './opening-rule.js';

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
  if (state === 'isolated') {
    return new CircuitOpenError(`${subject} was opened by hand. Set it to automatic when calls may go there again`, {
      service,
    });
  }
  // Rounded up, so that a retry after that time is not too early.
  const wholeMs = retryAfterMs && Math.ceil(retryAfterMs);
  const what =
    state === 'closed'
      ? `has closed just now and lets only a part of the calls through. ${tryAgain(wholeMs)}`
      : `is open after too many ${tooSlow ? 'slow calls' : 'failures'}. ${wayOutOfOpenCircuit(wholeMs)}`;
  return new CircuitOpenError(`${subject} ${what}`, { service, retryAfterMs: wholeMs });
}

/** What to do about a circuit that is open. */
export function wayOutOfOpenCircuit(retryAfterMs: number | undefined): string {
  return `${tryAgain(retryAfterMs)}, and find out why calls fail`;
}

/** One step of a circuit breaker from a state to another. */
export interface CircuitStateChange {
  readonly from: CircuitState;
  readonly to: CircuitState;
  readonly reason: CircuitReason;
  /** The failures that counted at the change. */
  readonly failures: number;
  /** How long calls are refused from now on, where time ends that: not when isolated by hand. */
  readonly retryAfterMs?: number;
}

/** What a circuit protects. */
interface CircuitSubject {
  service: string;
  /** Left out where the circuit is of the whole service. */
  instanceId?: string;
}

/**
 * Makes the `onStateChange` that reports a circuit's changes as `circuit.*` events. Isolating counts as opening, unless
 * the circuit was open already: `circuit.opened` comes once until it closes or is probed.
 */
export function reportCircuit(events: EventSink, subject: CircuitSubject): (change: CircuitStateChange) => void {
  return ({ from, to, reason, failures, retryAfterMs }) => {
    switch (to) {
      case 'open':
      case 'isolated':
        if (from !== 'open') events.emit('circuit.opened', { ...subject, reason, failures, retryAfterMs });
        return;
      case 'half_open':
        events.emit('circuit.half_opened', { ...subject, reason });
        return;
      case 'closed':
        events.emit('circuit.closed', { ...subject, reason });
        return;
    }
  };
}
