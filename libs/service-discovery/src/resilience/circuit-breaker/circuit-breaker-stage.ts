import { type Cancellation } from '../../common/index.js';
import { type Next, type Stage, type StageDescription } from '../pipeline/stage.js';
import { type CircuitBreaker } from './circuit-breaker.js';
import { type ResolvedCircuitBreakerOptions } from './circuit-breaker-options.js';

/** Refuses attempts while the function keeps failing. */
export class CircuitBreakerStage<Context extends { readonly scope: Cancellation }> implements Stage<Context> {
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

  run<T>(attempt: Context, next: Next<Context, T>): Promise<T> {
    return this.breaker.execute(() => next.run(attempt), attempt.scope.signal);
  }
}
