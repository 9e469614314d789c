/** Settings for calls to several instances. */
export interface ClusterSettings {
  readonly ids: readonly string[];
  /** Attempts per call, on any instances. */
  readonly attempts: number;
  /** Whether calls are routed by their key. */
  readonly keyed: boolean;
  /** Whether an instance whose calls keep failing is excluded for a while. */
  readonly ejects: boolean;
}

/** Calls balanced over instances, some of which a scenario makes fail. */
export interface ClusterPart {
  /** Makes an instance fail all requests. */
  break(id: string): Promise<void>;
  /** Makes it work again. */
  mend(id: string): Promise<void>;
  /** @returns the instance that answered */
  call(name: string, key?: string): Promise<string>;
  /** The instances that received the call of this name, in order. */
  sentTo(name: string): readonly string[];
  /** Advances the library's time, if that can be mocked. */
  advance(ms: number): Promise<void>;
  close(): Promise<void>;
}

export type MakeCluster = (settings: ClusterSettings) => Promise<ClusterPart>;

/** The kinds of calls to several instances that a library supports. */
export interface ClusterParts {
  readonly retrying?: MakeCluster;
  readonly hashing?: MakeCluster;
  readonly ejecting?: MakeCluster;
}

/** Records which instance received which call. */
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
