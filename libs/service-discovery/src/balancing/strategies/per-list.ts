/**
 * Caches what a strategy computes for a list of candidates, as long as the list is referenced. The last list, which most
 * picks use again, needs no map lookup.
 */
export class PerList<List extends object, Value> {
  private readonly known = new WeakMap<List, Value>();
  private last: { readonly list: List; readonly value: Value } | undefined;

  constructor(private readonly make: (list: List) => Value) {}

  of(list: List): Value {
    if (this.last?.list === list) return this.last.value;
    let value = this.known.get(list);
    if (value === undefined) this.known.set(list, (value = this.make(list)));
    this.last = { list, value };
    return value;
  }
}
