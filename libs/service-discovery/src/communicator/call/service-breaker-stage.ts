import {
  type CircuitBreaker,
  type Next,
  refused,
  type ResolvedCircuitBreakerOptions,
  type Stage,
} from '../../resilience/index.js';
import { type Call } from './call.js';
import { type ServiceStageDescription } from './stage.js';

/** Refuses calls to a service that keeps failing as a whole. */
export class ServiceBreakerStage implements Stage<Call<unknown>, ServiceStageDescription> {
  constructor(
    private readonly options: ResolvedCircuitBreakerOptions,
    private readonly breaker: CircuitBreaker,
  ) {}

  get description(): ServiceStageDescription {
    return {
      stage: 'service_circuit_breaker',
      purpose:
        'Refuses calls to a service that keeps failing as a whole. Outside of the retry, so that it counts the final ' +
        'outcome of each call, and a refusal is not retried; inside of the limits, whose refusals say nothing about the service.',
      options: { ...this.options },
    };
  }

  async run<T>(call: Call<unknown>, next: Next<Call<unknown>, T>): Promise<T> {
    const permit = this.breaker.tryAcquire();
    if (!permit) throw refused(call, 'service_circuit_breaker', this.breaker.refusal());
    try {
      return await next.run(call);
    } finally {
      permit.settle(call.counted);
    }
  }
}
