/** A binary min-heap: the first of its items by an order, found and replaced in O(log n). */
export class BinaryHeap<T> {
  private items: T[] = [];

  /** @param isBefore a strict order of all items */
  constructor(private readonly isBefore: (a: T, b: T) => boolean) {}

  get first(): T | undefined {
    return this.items[0];
  }

  push(item: T): void {
    this.items.push(item);
    this.raise(item, this.items.length - 1);
  }

  pop(): T | undefined {
    const [first] = this.items;
    const last = this.items.pop();
    if (last !== undefined && this.items.length > 0) this.sink(last, 0);
    return first;
  }

  /** Takes these items in place of all others, in O(n). */
  fill(items: readonly T[]): void {
    this.items = [...items];
    for (let index = (items.length >>> 1) - 1; index >= 0; index--) {
      const item = this.items[index];
      if (item !== undefined) this.sink(item, index);
    }
  }

  private raise(item: T, from: number): void {
    const { items, isBefore } = this;
    let index = from;
    while (index > 0) {
      const parent = (index - 1) >>> 1;
      const above = items[parent];
      if (above === undefined || !isBefore(item, above)) break;
      items[index] = above;
      index = parent;
    }
    items[index] = item;
  }

  private sink(item: T, from: number): void {
    const { items, isBefore } = this;
    let index = from;
    for (;;) {
      let child = 2 * index + 1;
      let below = items[child];
      if (below === undefined) break;
      const sibling = items[child + 1];
      if (sibling !== undefined && isBefore(sibling, below)) {
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
