import { type Cancellation } from '../../common/index.js';
import { type Next, type Stage, type StageDescription } from '../pipeline/stage.js';
import { type CircuitBreaker } from './circuit-breaker.js';
import { type ResolvedCircuitBreakerOptions } from './circuit-breaker-options.js';

/** Refuses attempts while the function keeps failing. */
export class CircuitBreakerStage<Context extends { readonly scope: Cancellation }> implements Stage<Context> {
  constructor(
    private readonly breaker: CircuitBreaker,
    private readonly options: ResolvedCircuitBreakerOptions,
  ) {}

  get description(): StageDescription {
    return {
      stage: 'circuit_breaker',
      purpose: 'Refuses attempts after too many failures. Inside of retry, so that it counts each attempt by itself.',
      options: { ...this.options },
    };
  }

  run<T>(attempt: Context, next: Next<Context, T>): Promise<T> {
    return this.breaker.execute(() => next.run(attempt), attempt.scope.signal);
  }
}
