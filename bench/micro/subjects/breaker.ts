import { circuitBreaker, ConsecutiveBreaker, handleAll, SamplingBreaker, type IPolicy } from 'cockatiel';
import { CircuitBreaker, type CircuitBreakerOptions } from 'nest-service-discovery/core';
import OpossumBreaker from 'opossum';
import { type MicroCase, type MicroSubject } from '../micro-case.js';

const RATE = { failureRate: 0.5, failureThreshold: false } satisfies Partial<CircuitBreakerOptions>;
const WINDOW_MS = 10_000;

/** Calls that succeed, through a closed circuit. */
export function breaker(): MicroSubject {
  const opossum = new OpossumBreaker(work, { timeout: false, rollingCountTimeout: WINDOW_MS });
  const consecutive = circuitBreaker(handleAll, { halfOpenAfter: 60_000, breaker: new ConsecutiveBreaker(5) });
  const sampling = circuitBreaker(handleAll, {
    halfOpenAfter: 60_000,
    breaker: new SamplingBreaker({ threshold: 0.5, duration: WINDOW_MS }),
  });
  return {
    cases: [
      permits('permit + settle, by failures in a row', new CircuitBreaker()),
      permits('permit + settle, by rate', new CircuitBreaker({ ...RATE, window: WINDOW_MS })),
      ours('execute, by failures in a row', new CircuitBreaker()),
      cockatiel('execute, by failures in a row', consecutive),
      ours('execute, by rate', new CircuitBreaker({ ...RATE, window: WINDOW_MS })),
      cockatiel('execute, by rate', sampling),
      {
        what: 'execute, by rate',
        peer: 'opossum',
        async run(steps) {
          for (let step = 0; step < steps; step++) await opossum.fire();
        },
      },
    ],
    close: async () => opossum.shutdown(),
  };
}

async function work(): Promise<number> {
  return 1;
}

function permits(what: string, circuit: CircuitBreaker): MicroCase {
  return {
    what,
    run(steps) {
      for (let step = 0; step < steps; step++) circuit.tryAcquire()?.settle('success');
    },
  };
}

function ours(what: string, circuit: CircuitBreaker): MicroCase {
  return {
    what,
    async run(steps) {
      for (let step = 0; step < steps; step++) await circuit.execute(work);
    },
  };
}

function cockatiel(what: string, policy: IPolicy): MicroCase {
  return {
    what,
    peer: 'cockatiel',
    async run(steps) {
      for (let step = 0; step < steps; step++) await policy.execute(work);
    },
  };
}
