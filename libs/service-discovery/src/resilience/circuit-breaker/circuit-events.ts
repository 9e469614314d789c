import { type CircuitReason, type CircuitState, type EventSink } from '../../model/index.js';

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
export interface CircuitSubject {
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
