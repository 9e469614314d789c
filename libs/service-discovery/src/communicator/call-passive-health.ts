import { counted, systemClock, type Clock } from '../common/index.js';
import { NO_FINDINGS, type PassiveFinding, type PassiveHealth } from '../health/index.js';
import { type EventName, type ServiceDiscoveryEvent } from '../model/index.js';
import { type ServiceCommunicator } from './communicator.js';

/** A source of events, such as an `EventBus`. */
export interface EventSource {
  /** @returns unsubscribes */
  on<Name extends EventName>(
    type: Name,
    listener: (event: Extract<ServiceDiscoveryEvent, { type: Name }>) => void,
  ): () => void;
}

/**
 * Passive health from the calls of a communicator and all those derived from it: an instance is failing if its circuit
 * is not closed, if it is ejected as an outlier, or if connecting to it failed. Reads the state from the communicator
 * and learns of changes from its events.
 */
export class CallPassiveHealth implements PassiveHealth {
  private readonly clock: Clock;

  /** @param events where the communicator emits its events */
  constructor(
    private readonly communicator: Pick<ServiceCommunicator, 'circuitBreakers' | 'ejections' | 'unreachable'>,
    private readonly events: EventSource,
    { clock = systemClock }: { readonly clock?: Clock } = {},
  ) {
    this.clock = clock;
  }

  findingsOn(serviceName: string): ReadonlyMap<string, PassiveFinding> {
    const now = this.clock.epoch();
    const findings = new Map<string, PassiveFinding>();
    for (const { instanceId, evidence } of this.communicator.ejections(serviceName)) {
      const why = evidence === undefined ? 'calls avoid it as an outlier' : `calls avoid it as an outlier: ${evidence}`;
      findings.set(instanceId, { reason: why, since: null });
    }
    for (const { instanceId, state, forced, failures, stateAgeMs } of this.communicator.circuitBreakers(serviceName)) {
      if (instanceId === undefined || state === 'closed') continue;
      const words = forced ? 'held open by hand' : `${state.replace('_', ' ')} after ${counted(failures, 'failure')}`;
      findings.set(instanceId, { reason: `its circuit is ${words}`, since: now - stateAgeMs });
    }
    for (const { instanceId, reason, since } of this.communicator.unreachable(serviceName)) {
      findings.set(instanceId, { reason: `calls could not connect to it: ${reason}`, since });
    }
    return findings.size === 0 ? NO_FINDINGS : findings;
  }

  onChange(listener: (serviceName: string) => void): () => void {
    const circuit = ({ service }: { readonly service: string }): void => listener(service);
    const instance = ({ key }: { readonly key: { readonly serviceName: string } }): void => listener(key.serviceName);
    const stops = [
      this.events.on('circuit.opened', circuit),
      this.events.on('circuit.half_opened', circuit),
      this.events.on('circuit.closed', circuit),
      this.events.on('instance.ejected', instance),
      this.events.on('instance.readmitted', instance),
      this.events.on('instance.unreachable', instance),
      this.events.on('instance.reached', instance),
    ];
    return () => stops.forEach((stop) => stop());
  }
}
