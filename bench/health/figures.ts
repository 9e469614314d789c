/** The task of the checking process, as JSON in its argument. */
export interface CheckerTask {
  readonly ports: readonly number[];
  readonly instances: number;
  readonly services: number;
  readonly intervalMs: number;
  /** Number of intervals to report, starting with the one of the registrations. */
  readonly intervals: number;
  /** Where registrations are kept. @default in memory */
  readonly redisUrl?: string;
}

/** Cost of one interval of checks. */
export interface IntervalFigures {
  readonly checks: number;
  readonly failed: number;
  /** The most checks in any second. */
  readonly busiestSecond: number;
  /** CPU time of the checking process in milliseconds, all threads. */
  readonly cpuMs: number;
  readonly elapsedMs: number;
  /** Changes reported to readers of the registry. */
  readonly changes: number;
  /** In bytes, after a collection. */
  readonly heapUsed: number;
  /** In bytes. */
  readonly rss: number;
  /** Of Redis, if used. */
  readonly redis?: RedisFigures;
}

export interface RedisFigures {
  readonly commands: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}
