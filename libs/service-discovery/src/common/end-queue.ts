/** Something that ends at a time, unless the time is moved first. */
export interface Ending {
  /** When it ends, in the caller's time. May grow while it is queued. */
  endsAt: number;
  /** The queue's own: the time that it is sorted by, which may lag behind `endsAt`. */
  queuedFor: number;
  /** The queue's own: where it stands, -1 outside. */
  position: number;
}

/**
 * Finds what ends first among many. Moving an end to later costs nothing: the entry keeps its place, and is sorted
 * anew only when its old time comes up. Adding and removing take O(log n) steps (a binary heap that knows each
 * entry's position).
 */
export class EndQueue<T extends Ending> {
  private readonly heap: T[] = [];

  get size(): number {
    return this.heap.length;
  }

  /** No entry ends before this time; undefined when there is none. */
  get nextCheckAt(): number | undefined {
    return this.heap[0]?.queuedFor;
  }

  /** @param checkAt when to hand it out at the earliest, though it may have ended before */
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

  /** Takes out one entry that has ended at `now`; undefined when there is none. */
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
