import { type EventSink } from '../model/index.js';
import { type CircuitStateChange } from './circuit-breaker.js';

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
  return ({ from, to, failures, retryAfterMs }) => {
    switch (to) {
      case 'open':
      case 'isolated':
        if (from !== 'open') events.emit('circuit.opened', { ...subject, failures, retryAfterMs });
        return;
      case 'half_open':
        events.emit('circuit.half_opened', { ...subject });
        return;
      case 'closed':
        events.emit('circuit.closed', { ...subject });
        return;
    }
  };
}
