/** What the page shows while it is measured. */
export interface Fleet {
  readonly services: number;
  /** Of all of them together. */
  readonly instances: number;
  /** Instances of one more service, {@link LARGE}. */
  readonly large: number;
  readonly changesPerSecond: number;
}

export const FLEET: Fleet = { services: 1_000, instances: 10_000, large: 500, changesPerSecond: 50 };

export const LARGE = 'large-service';
