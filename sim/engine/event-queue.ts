/** An event at a point of simulated time. */
export interface SimEvent {
  readonly at: number;
  /** Insertion order, for events at the same time. */
  readonly order: number;
  /** Undefined once cancelled: removing it from the middle of the heap would cost more than leaving it. */
  fn: (() => void) | undefined;
}

/** A binary heap of events, the next one on top. */
export class EventQueue {
  private readonly heap: SimEvent[] = [];

  push(event: SimEvent): void {
    const { heap } = this;
    let index = heap.push(event) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent]!;
      if (isBefore(above, event)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = event;
  }

  peek(): SimEvent | undefined {
    return this.heap[0];
  }

  pop(): SimEvent | undefined {
    const { heap } = this;
    const top = heap[0];
    const last = heap.pop();
    if (last !== undefined && last !== top) this.sink(last);
    return top;
  }

  /** Sifts an event down from the top, whose place is free. */
  private sink(event: SimEvent): void {
    const { heap } = this;
    const { length } = heap;
    let index = 0;
    for (let child = 1; child < length; child = 2 * index + 1) {
      const right = child + 1;
      if (right < length && isBefore(heap[right]!, heap[child]!)) child = right;
      const below = heap[child]!;
      if (isBefore(event, below)) break;
      heap[index] = below;
      index = child;
    }
    heap[index] = event;
  }
}

function isBefore(a: SimEvent, b: SimEvent): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
