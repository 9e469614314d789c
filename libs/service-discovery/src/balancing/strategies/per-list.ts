/**
 * What a strategy works out for a list of candidates, kept for as long as somebody holds the list. The list that was asked
 * for last, mostly that of the next pick, is found without a look-up.
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
