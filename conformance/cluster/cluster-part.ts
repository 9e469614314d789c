/** How calls to several instances are set. */
export interface ClusterSettings {
  readonly ids: readonly string[];
  /** Attempts of a call, on whichever instances. */
  readonly attempts: number;
  /** Whether a call's key says who gets it. */
  readonly keyed: boolean;
  /** Whether an instance that keeps failing is left out for a while, by what its calls come to. */
  readonly ejects: boolean;
}

/** Calls that are balanced over instances, of which a scenario makes some fail. */
export interface ClusterPart {
  /** From now on an instance fails whatever it is sent. */
  break(id: string): Promise<void>;
  /** From now on it is well again. */
  mend(id: string): Promise<void>;
  /** @returns who answered */
  call(name: string, key?: string): Promise<string>;
  /** Who was sent the call of this name, in order. */
  sentTo(name: string): readonly string[];
  /** Moves time, where there is any that the library goes by. */
  advance(ms: number): Promise<void>;
  close(): Promise<void>;
}

export type MakeCluster = (settings: ClusterSettings) => Promise<ClusterPart>;

/** Where a library has calls to several instances, and of which kind. */
export interface ClusterParts {
  readonly retrying?: MakeCluster;
  readonly hashing?: MakeCluster;
  readonly ejecting?: MakeCluster;
}

/** Who was sent which call. */
export class Sendings {
  private readonly byName = new Map<string, string[]>();

  note(name: string, id: string): void {
    const ids = this.byName.get(name) ?? [];
    this.byName.set(name, [...ids, id]);
  }

  of(name: string): readonly string[] {
    return this.byName.get(name) ?? [];
  }
}
