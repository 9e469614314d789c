/** Members of a list that weigh the same, by their calls in flight, so that those with the fewest are at hand. */
export class Peers {
  private readonly byActive: number[][] = [];
  private least = 0;

  /** @param places of all members of the list, where each stands among those with as many calls; kept up here */
  constructor(
    readonly weight: number,
    private readonly places: Uint32Array,
  ) {}

  /** Calls in flight of those with the fewest. */
  get fewest(): number {
    return this.least;
  }

  /** Those with the fewest calls in flight; empty where there is nobody. */
  get free(): readonly number[] {
    return this.byActive[this.least] ?? [];
  }

  add(member: number, active: number): void {
    const { byActive } = this;
    while (byActive.length <= active) byActive.push([]);
    const equals = byActive[active] ?? [];
    this.places[member] = equals.length;
    equals.push(member);
    if (active < this.least) this.least = active;
    else this.findFewest();
  }

  remove(member: number, active: number): void {
    const equals = this.byActive[active] ?? [];
    const last = equals.pop() ?? member;
    if (last !== member) {
      const place = this.places[member] ?? 0;
      equals[place] = last;
      this.places[last] = place;
    }
    this.findFewest();
  }

  private findFewest(): void {
    const { byActive } = this;
    while (this.least < byActive.length && byActive[this.least]?.length === 0) this.least++;
  }
}
