import { type CircuitBreaker, type ResolvedCircuitBreakerOptions } from '../../resilience/index.js';
import { type Call } from './call.js';
import { refused } from './refused.js';
import { type CallStage, type CallStageDescription } from './stage.js';

/** Refuses calls to a service that keeps failing as a whole. */
export class ServiceBreakerStage implements CallStage {
  constructor(
    private readonly options: ResolvedCircuitBreakerOptions,
    private readonly breaker: CircuitBreaker,
    private readonly next: CallStage,
  ) {}

  describe(): CallStageDescription[] {
    const purpose =
      'Refuses calls to a service that keeps failing as a whole. Outside of the retry, so that it counts what calls come to ' +
      'in the end, and a refusal is not retried; inside of the limits, whose refusals say nothing of the service.';
    const own = { stage: 'service_circuit_breaker', per: 'service', purpose, options: { ...this.options } } as const;
    return [own, ...this.next.describe()];
  }

  async run<T>(call: Call<T>): Promise<T> {
    const permit = this.breaker.tryAcquire();
    if (!permit) throw refused(call, 'service_circuit_breaker', this.breaker.refusal());
    try {
      return await this.next.run(call);
    } finally {
      // Where nobody was asked, that says nothing.
      permit.settle(call.verdict);
    }
  }
}
