/** The stages of a policy in their order, the outermost first. */
export type StageName =
  | 'fallback'
  | 'last_good'
  | 'coalescing'
  | 'deadline'
  | 'rate_limit'
  | 'throttling'
  | 'bulkhead'
  | 'adaptive_concurrency'
  | 'retry'
  | 'hedging'
  | 'circuit_breaker'
  | 'attempt_timeout'
  | 'chaos';

/** What one stage of a policy does, for people and for dashboards. */
export interface StageDescription {
  readonly stage: StageName;
  /** What the stage does, and why it stands where it stands. */
  readonly purpose: string;
  /** The settings it works with, durations in milliseconds. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** The stages that follow, and the attempts at their end. */
export interface Next<Context, T> {
  run(call: Context): Promise<T>;
}

/**
 * One layer around a call. It keeps what it counts over all calls; what belongs to one call is in its context. It works
 * for each kind of call that offers what its context asks for.
 */
export interface Stage<Context, Description = StageDescription> {
  readonly description: Description;
  /** @throws the error that ends the call */
  run<T>(call: Context, next: Next<Context, T>): Promise<T>;
}

/** Puts stages around the innermost part, the first one outermost. Done once for all calls, so that none makes closures. */
export function chain<Context, T>(
  stages: readonly Stage<Context, unknown>[],
  innermost: Next<Context, T>,
): Next<Context, T> {
  return stages.reduceRight((next, stage) => new Link(stage, next), innermost);
}

class Link<Context, T> implements Next<Context, T> {
  constructor(
    private readonly stage: Stage<Context, unknown>,
    private readonly next: Next<Context, T>,
  ) {}

  run(call: Context): Promise<T> {
    return this.stage.run(call, this.next);
  }
}
