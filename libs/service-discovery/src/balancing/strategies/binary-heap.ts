/** A binary min-heap of whole numbers: the first of them by an order, found and replaced in O(log n). */
export class BinaryHeap {
  private readonly items: Uint32Array;
  private count = 0;

  /**
   * @param most of them that there may be at once
   * @param isBefore a strict order
   */
  constructor(
    most: number,
    private readonly isBefore: (a: number, b: number) => boolean,
  ) {
    this.items = new Uint32Array(most);
  }

  get first(): number | undefined {
    return this.count === 0 ? undefined : this.items[0];
  }

  push(item: number): void {
    this.raise(item, this.count++);
  }

  pop(): number | undefined {
    const { first } = this;
    if (first === undefined) return undefined;
    const last = this.items[--this.count] ?? 0;
    if (this.count > 0) this.sink(last, 0);
    return first;
  }

  clear(): void {
    this.count = 0;
  }

  /** Adds one where it may not belong; `order` has to follow. */
  append(item: number): void {
    this.items[this.count++] = item;
  }

  /** Puts all in order, in O(n). */
  order(): void {
    for (let index = (this.count >>> 1) - 1; index >= 0; index--) this.sink(this.items[index] ?? 0, index);
  }

  private raise(item: number, from: number): void {
    const { items, isBefore } = this;
    let index = from;
    while (index > 0) {
      const parent = (index - 1) >>> 1;
      const above = items[parent] ?? 0;
      if (!isBefore(item, above)) break;
      items[index] = above;
      index = parent;
    }
    items[index] = item;
  }

  private sink(item: number, from: number): void {
    const { items, count, isBefore } = this;
    let index = from;
    for (let child = 2 * index + 1; child < count; child = 2 * index + 1) {
      let below = items[child] ?? 0;
      const sibling = items[child + 1] ?? 0;
      if (child + 1 < count && isBefore(sibling, below)) {
        below = sibling;
        child++;
      }
      if (!isBefore(below, item)) break;
      items[index] = below;
      index = child;
    }
    items[index] = item;
  }
}
