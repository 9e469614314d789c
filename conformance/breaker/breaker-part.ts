/** How a breaker is set, as far as all of them can be. */
export interface BreakerSettings {
  /** Opens on this share of failures; else on three failures with no success. */
  readonly rate?: { readonly share: number; readonly minimumCalls: number; readonly windowMs: number };
  readonly recoveryMs: number;
  /** Probes that may run at once, for those that can be told. */
  readonly permits: number;
  /** Calls that may run at once. */
  readonly concurrency?: number;
  /** Which errors count; the others are filtered. */
  readonly isFault: (error: Error) => boolean;
}

/** Failures that open a breaker that goes by no rate. */
export const FAILURES_TO_OPEN = 3;

/** A breaker under test, with the time that it goes by. */
export interface BreakerPart {
  readonly state: 'closed' | 'open' | 'half_open';
  /** How often it told that it opened. */
  readonly timesOpened: number;
  call<T>(fn: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Opens it by hand, for good; left out where it has no such thing. */
  isolate?(): void;
  advance(ms: number): Promise<void>;
  close(): void;
}

export type MakeBreaker = (settings: BreakerSettings) => BreakerPart;
