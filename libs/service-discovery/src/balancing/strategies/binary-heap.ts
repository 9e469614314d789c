/** A binary min-heap of whole numbers. */
export class BinaryHeap {
  private readonly items: Uint32Array;
  private count = 0;

  /**
   * @param capacity the most items at a time
   * @param isBefore a strict order
   */
  constructor(
    capacity: number,
    private readonly isBefore: (a: number, b: number) => boolean,
  ) {
    this.items = new Uint32Array(capacity);
  }

  /** The smallest item; undefined if empty. */
  get first(): number | undefined {
    return this.count === 0 ? undefined : this.items[0];
  }

  /** Replaces all items, in O(n). */
  reset(items: readonly number[]): void {
    this.items.set(items);
    this.count = items.length;
    for (let index = (this.count >>> 1) - 1; index >= 0; index--) this.sink(this.items[index]!, index);
  }

  push(item: number): void {
    const { items, isBefore } = this;
    let index = this.count++;
    while (index > 0) {
      const parent = (index - 1) >>> 1;
      if (!isBefore(item, items[parent]!)) break;
      items[index] = items[parent]!;
      index = parent;
    }
    items[index] = item;
  }

  pop(): number | undefined {
    const { first } = this;
    if (first !== undefined && --this.count > 0) this.sink(this.items[this.count]!, 0);
    return first;
  }

  private sink(item: number, from: number): void {
    const { items, count, isBefore } = this;
    let index = from;
    for (let child = 2 * index + 1; child < count; child = 2 * index + 1) {
      if (child + 1 < count && isBefore(items[child + 1]!, items[child]!)) child++;
      if (!isBefore(items[child]!, item)) break;
      items[index] = items[child]!;
      index = child;
    }
    items[index] = item;
  }
}
