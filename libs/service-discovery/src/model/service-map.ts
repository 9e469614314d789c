import { type ServiceInstance } from './instance.js';

type Instances = readonly ServiceInstance[];
type Visit = (value: Instances, key: string, map: ReadonlyMap<string, Instances>) => void;

/** Minimum size limit of the upper layer; the square root of the lower layer's size applies if larger. */
const SMALLEST_LIMIT = 16;

/**
 * Instances by service name. Immutable, with cheap updates for any number of services: an update copies a small layer
 * of recent changes, which is merged into the large one below when it has grown.
 */
export class ServiceMap implements ReadonlyMap<string, Instances> {
  static readonly EMPTY = new ServiceMap(new Map(), new Map(), 0);

  private constructor(
    private readonly lower: ReadonlyMap<string, Instances>,
    /** An empty list marks a removed service. */
    private readonly upper: ReadonlyMap<string, Instances>,
    readonly size: number,
  ) {}

  /** @param lists none of them empty */
  static of(lists: ReadonlyMap<string, Instances>): ServiceMap {
    return lists instanceof ServiceMap ? lists : new ServiceMap(lists, new Map(), lists.size);
  }

  /** @param list empty: removes the service */
  with(name: string, list: Instances): ServiceMap {
    const size = this.size + Number(list.length > 0) - Number(this.has(name));
    const upper = new Map(this.upper).set(name, list);
    const limit = Math.max(SMALLEST_LIMIT, Math.sqrt(this.lower.size));
    if (upper.size <= limit) return new ServiceMap(this.lower, upper, size);
    return ServiceMap.of(new Map(new ServiceMap(this.lower, upper, size)));
  }

  get(name: string): Instances | undefined {
    const list = this.upper.get(name) ?? this.lower.get(name);
    return list?.length === 0 ? undefined : list;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  *entries(): MapIterator<[string, Instances]> {
    for (const entry of this.lower) {
      const changed = this.upper.get(entry[0]);
      if (!changed) yield entry;
      else if (changed.length > 0) yield [entry[0], changed];
    }
    for (const entry of this.upper) if (entry[1].length > 0 && !this.lower.has(entry[0])) yield entry;
  }

  *keys(): MapIterator<string> {
    for (const [name] of this.entries()) yield name;
  }

  *values(): MapIterator<Instances> {
    for (const [, list] of this.entries()) yield list;
  }

  [Symbol.iterator](): MapIterator<[string, Instances]> {
    return this.entries();
  }

  forEach(visit: Visit, thisArg?: unknown): void {
    for (const [name, list] of this.entries()) visit.call(thisArg, list, name, this);
  }
}
