import { type CircuitBreaker } from './circuit-breaker.js';
import { type ResolvedCircuitBreakerOptions } from './circuit-breaker-options.js';
import { type Next, type PolicyCall, type Stage, type StageDescription } from '../pipeline/stage.js';

/** Refuses attempts while the function keeps failing. */
export class CircuitBreakerStage implements Stage {
  readonly description: StageDescription;

  constructor(
    private readonly breaker: CircuitBreaker,
    options: ResolvedCircuitBreakerOptions,
  ) {
    this.description = {
      stage: 'circuit_breaker',
      purpose: 'Refuses attempts after too many failures. Inside of retry, so that it counts each attempt by itself.',
      options: { ...options },
    };
  }

  run<T>(call: PolicyCall, next: Next<T>): Promise<T> {
    return this.breaker.execute(() => next(call), call.signal);
  }
}
