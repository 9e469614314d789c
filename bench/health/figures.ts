/** What the checking process is asked to do, as JSON in its argument. */
export interface CheckerTask {
  readonly ports: readonly number[];
  readonly instances: number;
  readonly services: number;
  readonly intervalMs: number;
  /** How many intervals are reported, the one in which all register first. */
  readonly intervals: number;
  /** Where registrations are kept. @default in memory */
  readonly redisUrl?: string;
}

/** What one interval of checks cost. */
export interface IntervalFigures {
  readonly checks: number;
  readonly failed: number;
  /** The most checks in any one second of it. */
  readonly busiestSecond: number;
  /** Milliseconds of processor time of the checking process, all of its threads. */
  readonly cpuMs: number;
  readonly elapsedMs: number;
  /** Changes of the registry that its readers were told of. */
  readonly changes: number;
  /** In bytes, after a collection. */
  readonly heapUsed: number;
  /** In bytes. */
  readonly rss: number;
  /** Of Redis, where there is one. */
  readonly redis?: RedisFigures;
}

export interface RedisFigures {
  readonly commands: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}
