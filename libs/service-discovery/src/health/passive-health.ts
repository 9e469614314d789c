/** Evidence from calls that an instance is failing. */
export interface PassiveFinding {
  /** A short phrase. */
  readonly reason: string;
  /** Milliseconds since the Unix epoch; null: unknown. */
  readonly since: number | null;
}

/**
 * Evidence about instances from this process's own calls, such as open circuits. A finding holds until calls show
 * otherwise.
 */
export interface PassiveHealth {
  /** By instance id; empty if no instance of the service is failing. */
  findingsOn(serviceName: string): ReadonlyMap<string, PassiveFinding>;
  /**
   * Calls `listener` with a service name whenever the findings on its instances may have changed.
   * @returns unsubscribes
   */
  onChange(listener: (serviceName: string) => void): () => void;
}

/** For a process that makes no calls, or that has found nothing. */
export const NO_FINDINGS: ReadonlyMap<string, PassiveFinding> = new Map();
