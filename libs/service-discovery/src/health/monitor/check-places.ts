/** Something that takes up a place while it is checked. */
export interface Candidate {
  /** When it was due: the longest waiting goes first. */
  readonly endsAt: number;
  /** Whether the last check of it took long. */
  readonly isSlow: boolean;
}

/**
 * The places in which checks run: so many at a time, those that wait longest first. At most half of them are for
 * what took long the last time: thousands that hang until their timeout must not keep the others from being checked.
 */
export class CheckPlaces<T extends Candidate> {
  private readonly swift = new Set<T>();
  private readonly slow = new Set<T>();
  private readonly running = new Set<Promise<void>>();
  private slowRunning = 0;
  private readonly slowLimit: number;

  /**
   * @param limit how many places there are
   * @param check never rejects; the place is free again when it resolves
   */
  constructor(
    private readonly limit: number,
    private readonly check: (candidate: T) => Promise<void>,
  ) {
    this.slowLimit = Math.ceil(limit / 2);
  }

  /** Checks it as soon as there is a place. */
  enter(candidate: T): void {
    (candidate.isSlow ? this.slow : this.swift).add(candidate);
    this.admit();
  }

  /** It waits for no place any more; a check under way goes on. */
  withdraw(candidate: T): void {
    this.swift.delete(candidate);
    this.slow.delete(candidate);
  }

  /** Resolves when the checks end that are under way. */
  async idle(): Promise<void> {
    await Promise.all(this.running);
  }

  private admit(): void {
    for (let next = this.next(); next; next = this.next()) this.run(next);
  }

  private next(): T | undefined {
    if (this.running.size >= this.limit) return undefined;
    const [swift] = this.swift;
    const [slow] = this.slowRunning < this.slowLimit ? this.slow : [];
    return swift && slow ? (slow.endsAt < swift.endsAt ? slow : swift) : (swift ?? slow);
  }

  private run(candidate: T): void {
    this.withdraw(candidate);
    // What it turns out to be meanwhile counts the next time.
    const share = candidate.isSlow ? 1 : 0;
    this.slowRunning += share;
    const run = this.check(candidate).finally(() => {
      this.running.delete(run);
      this.slowRunning -= share;
      this.admit();
    });
    this.running.add(run);
  }
}
