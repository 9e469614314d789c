/** What calls have against an instance: as far as they see, it is not well. */
export interface PassiveFinding {
  /** In a few words. */
  readonly reason: string;
  /** Milliseconds since the Unix epoch; null: not known. */
  readonly since: number | null;
}

/**
 * What this process's own calls find of instances, such as circuits that opened. A finding stands until calls find
 * otherwise.
 */
export interface PassiveHealth {
  /** By instance id; empty where nothing is against any instance of the service. */
  findingsOn(serviceName: string): ReadonlyMap<string, PassiveFinding>;
  /**
   * Calls `listener` with the name of a service when what is found of its instances may be another thing from now on.
   * @returns stops it
   */
  onChange(listener: (serviceName: string) => void): () => void;
}

export const NO_FINDINGS: ReadonlyMap<string, PassiveFinding> = new Map();
