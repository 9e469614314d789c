/** Settings that all breakers share. */
export interface BreakerSettings {
  /** Opens at this share of failures; else at three failures without a success. */
  readonly rate?: { readonly share: number; readonly minimumCalls: number; readonly windowMs: number };
  readonly recoveryMs: number;
  /** Concurrent probes, for breakers with that setting. */
  readonly permits: number;
  /** Maximum concurrent calls. */
  readonly concurrency?: number;
  /** Which errors count; the others are filtered. */
  readonly isFault: (error: Error) => boolean;
}

/** Failures that open a breaker without a rate. */
export const FAILURES_TO_OPEN = 3;

/** A breaker under test, with its clock. */
export interface BreakerPart {
  readonly state: 'closed' | 'open' | 'half_open';
  /** How often it reported opening. */
  readonly timesOpened: number;
  call<T>(fn: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Opens it manually, for good; absent if the library cannot. */
  isolate?(): void;
  advance(ms: number): Promise<void>;
  close(): void;
}

export type MakeBreaker = (settings: BreakerSettings) => BreakerPart;
