import { type Change, type RegistrySnapshot } from '../model/index.js';

/** @param change null where only the connection to the store came or went */
export type SnapshotListener = (snapshot: RegistrySnapshot, previous: RegistrySnapshot, change: Change | null) => void;

/** Calls every listener in order of subscription; one that throws does not stop the others. */
export class SnapshotListeners {
  private readonly entries = new Set<{ readonly call: SnapshotListener }>();

  constructor(private readonly onError: (error: unknown) => void = () => undefined) {}

  /** @returns stops it; safe to call again */
  add(listener: SnapshotListener): () => void {
    const entry = { call: listener };
    this.entries.add(entry);
    return () => void this.entries.delete(entry);
  }

  call(...args: Parameters<SnapshotListener>): void {
    for (const entry of [...this.entries]) {
      if (!this.entries.has(entry)) continue;
      try {
        entry.call(...args);
      } catch (error) {
        this.report(error);
      }
    }
  }

  /** Whoever reports the fault must not stop the others either: the watch that calls here would be taken for lost. */
  private report(error: unknown): void {
    try {
      this.onError(error);
    } catch {
      // There is nobody left to tell.
    }
  }
}
