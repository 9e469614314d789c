import { DiscoveryMetrics, EventBus, EventLogger, systemClock } from 'nest-service-discovery/core';
import { type MicroCase, type MicroSubject } from '../micro-case.js';

const INSTANCES = Array.from({ length: 10 }, (_, index) => `users-${index}`);

/** Events of a successful call: the pick and the end. */
export function events(): MicroSubject {
  const measured = new EventBus();
  new DiscoveryMetrics(measured);
  const both = new EventBus();
  new DiscoveryMetrics(both);
  new EventLogger(both, { debug: ignore, log: ignore, warn: ignore, error: ignore }, {}, { clock: systemClock });
  return {
    cases: [
      reporting('events of a call, no listeners', new EventBus()),
      reporting('events of a call, with metrics', measured),
      reporting('events of a call, with metrics and log', both),
    ],
  };
}

function ignore(): void {
  // Logging to a disk, terminal or socket is not measured here.
}

function reporting(what: string, bus: EventBus): MicroCase {
  const service = 'users';
  return {
    what,
    run(steps) {
      for (let step = 0; step < steps; step++) {
        const instanceId = INSTANCES[step % INSTANCES.length]!;
        bus.emit('call.picked', { service, instanceId, strategy: 'round_robin', attempt: 1 });
        bus.emit('call.completed', {
          service,
          instanceId,
          ok: true,
          status: 200,
          code: undefined,
          attempts: 1,
          durationMs: 1 + (step % 7),
        });
      }
    },
  };
}
