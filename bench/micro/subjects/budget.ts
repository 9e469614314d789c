import { RetryBudget } from 'nest-service-discovery/core';
import { type MicroSubject } from '../micro-case.js';

const CALLS_A_RETRY = 10;

/** Counts a call each time, and a retry for some of them. */
export function budget(): MicroSubject {
  const calls = new RetryBudget();
  const both = new RetryBudget();
  return {
    cases: [
      {
        what: 'count a call',
        run(steps) {
          for (let step = 0; step < steps; step++) calls.recordCall();
        },
      },
      {
        what: `count a call, and every ${CALLS_A_RETRY}th time take a retry`,
        run(steps) {
          for (let step = 0; step < steps; step++) {
            both.recordCall();
            if (step % CALLS_A_RETRY === 0) both.tryRetry();
          }
        },
      },
    ],
  };
}
