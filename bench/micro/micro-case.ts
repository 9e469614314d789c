/** One implementation of a step that is repeated. */
export interface MicroCase {
  /** The step: the row of the table, shared with a peer's case. */
  readonly what: string;
  /** Number of instances; undefined if irrelevant. */
  readonly instances?: number;
  /** The library under test. @default this one */
  readonly peer?: string;
  /** Performs the step repeatedly. */
  run(steps: number): void | Promise<void>;
}

/** Cost of one step. */
export interface Measurement {
  readonly what: string;
  readonly instances?: number;
  readonly peer?: string;
  /** CPU time of the process, median of the rounds. */
  readonly nanoseconds: number;
  /** Half the interquartile range of the rounds, relative to the median. */
  readonly spread: number;
  /** Heap allocations, live or not. */
  readonly bytes: number;
  /** Of a peer: its median relative to ours. */
  readonly timesOurs?: number;
}

/** Memory retained by something. */
export interface Holding {
  readonly what: string;
  /** Number of items. */
  readonly count: number;
  /** Of all of them. */
  readonly bytes: number;
}

/** Results of a subject. */
export interface SubjectResult {
  readonly measurements: readonly Measurement[];
  readonly holdings: readonly Holding[];
}

/** Cases that are interleaved in a process of their own. */
export interface MicroSubject {
  readonly cases: readonly MicroCase[];
  /** Retained memory, if that is of interest. */
  holdings?(): Promise<readonly Holding[]>;
  close?(): Promise<void>;
}

/** Instances per service in the cases. */
export const INSTANCE_COUNTS = [10, 1_000, 10_000] as const;
