/** One way to do one thing, again and again. */
export interface MicroCase {
  /** What is done: the row of the table, which a peer's case shares. */
  readonly what: string;
  /** Among how many instances; undefined where that is no matter. */
  readonly instances?: number;
  /** The library that does it. @default this one */
  readonly peer?: string;
  /** Does it so many times, one after the other. */
  run(steps: number): void | Promise<void>;
}

/** What one step takes. */
export interface Measurement {
  readonly what: string;
  readonly instances?: number;
  readonly peer?: string;
  /** CPU time of the process, the median of the rounds. */
  readonly nanoseconds: number;
  /** Half of the distance between the quartiles of the rounds, as a share of the median. */
  readonly spread: number;
  /** What was allocated on the heap, live or not. */
  readonly bytes: number;
  /** Of a peer: how many times what ours takes, by the median of the rounds. */
  readonly timesOurs?: number;
}

/** What something takes as long as it is there. */
export interface Holding {
  readonly what: string;
  /** Of how many. */
  readonly count: number;
  /** All of them. */
  readonly bytes: number;
}

/** What a subject comes to. */
export interface SubjectResult {
  readonly measurements: readonly Measurement[];
  readonly holdings: readonly Holding[];
}

/** Cases that are measured in turn, in a process of their own. */
export interface MicroSubject {
  readonly cases: readonly MicroCase[];
  /** What stays in memory, where that is what matters. */
  holdings?(): Promise<readonly Holding[]>;
  close?(): Promise<void>;
}

/** How many instances a service has in the cases. */
export const INSTANCE_COUNTS = [10, 1_000, 10_000] as const;
