/** An entry with an end time that may be postponed. */
export interface Ending {
  /** When it ends, on the caller's clock. May grow while it is queued. */
  endsAt: number;
  /** Internal: the time that it is sorted by, which may lag behind `endsAt`. */
  queuedFor: number;
  /** Internal: its index in the heap, -1 if not queued. */
  position: number;
}

/**
 * Finds the entries that end first. Postponing an end is free: the entry keeps its place and is re-sorted when its old
 * time comes up. Adding and removing take O(log n) (a binary heap whose entries know their position).
 */
export class EndQueue<T extends Ending> {
  private readonly heap: T[] = [];

  get size(): number {
    return this.heap.length;
  }

  /** No entry ends before this time; undefined if empty. */
  get nextCheckAt(): number | undefined {
    return this.heap[0]?.queuedFor;
  }

  /** @param checkAt when to return it at the earliest, even if it ends before */
  add(entry: T, checkAt = entry.endsAt): void {
    entry.queuedFor = checkAt;
    entry.position = this.heap.length;
    this.heap.push(entry);
    this.siftUp(entry);
  }

  remove(entry: T): void {
    if (this.heap[entry.position] !== entry) return;
    const hole = entry.position;
    entry.position = -1;
    const last = this.heap.pop();
    if (!last || last === entry) return;
    this.place(last, hole);
    this.siftUp(last);
    this.siftDown(last);
  }

  /** Removes and returns an entry that has ended at `now`; undefined if there is none. */
  takeEnded(now: number): T | undefined {
    for (let first = this.heap[0]; first && first.queuedFor <= now; first = this.heap[0]) {
      if (first.endsAt <= now) {
        this.remove(first);
        return first;
      }
      first.queuedFor = first.endsAt;
      this.siftDown(first);
    }
    return undefined;
  }

  private siftUp(entry: T): void {
    while (entry.position > 0) {
      const hole = entry.position;
      const parent = this.heap[(hole - 1) >> 1];
      if (!parent || parent.queuedFor <= entry.queuedFor) return;
      this.place(entry, parent.position);
      this.place(parent, hole);
    }
  }

  private siftDown(entry: T): void {
    for (;;) {
      const hole = entry.position;
      const left = this.heap[2 * hole + 1];
      const right = this.heap[2 * hole + 2];
      const child = left && right && right.queuedFor < left.queuedFor ? right : left;
      if (!child || child.queuedFor >= entry.queuedFor) return;
      this.place(entry, child.position);
      this.place(child, hole);
    }
  }

  private place(entry: T, position: number): void {
    this.heap[position] = entry;
    entry.position = position;
  }
}
