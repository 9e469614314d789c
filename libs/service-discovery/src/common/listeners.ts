/** Calls every listener in order of subscription; one that throws does not stop the others. */
export class Listeners<Args extends readonly unknown[]> {
  private readonly entries = new Set<{ readonly call: (...args: Args) => void }>();

  /** @param onError receives what a listener threw @default the error is dropped */
  constructor(private readonly onError: (error: unknown) => void = () => undefined) {}

  get size(): number {
    return this.entries.size;
  }

  /** @returns unsubscribes; idempotent */
  add(listener: (...args: Args) => void): () => void {
    const entry = { call: listener };
    this.entries.add(entry);
    return () => void this.entries.delete(entry);
  }

  clear(): void {
    this.entries.clear();
  }

  call(...args: Args): void {
    for (const entry of [...this.entries]) {
      if (!this.entries.has(entry)) continue;
      try {
        entry.call(...args);
      } catch (error) {
        this.report(error);
      }
    }
  }

  /** A throwing error handler must stop neither the other listeners nor the caller. */
  private report(error: unknown): void {
    try {
      this.onError(error);
    } catch {
      // No one left to report to.
    }
  }
}
