/** Calls every listener in order of subscription; one that throws does not stop the others. */
export class Listeners<Args extends readonly unknown[]> {
  private readonly entries = new Set<{ readonly call: (...args: Args) => void }>();

  /** @param onError told of what a listener threw @default nobody: the error is dropped */
  constructor(private readonly onError: (error: unknown) => void = () => undefined) {}

  get size(): number {
    return this.entries.size;
  }

  /** @returns stops it; safe to call again */
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

  /** Whoever reports the fault must not stop the others, nor whoever tells them, either. */
  private report(error: unknown): void {
    try {
      this.onError(error);
    } catch {
      // There is nobody left to tell.
    }
  }
}
