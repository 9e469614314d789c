/** What rounding may make of picks. */
const ROUNDING = 1e-9;

/**
 * What each candidate of a list has had of its turns, and is due, by their places in the list. A turn is as many picks as the
 * weights sum up to, and everybody's share of it is its weight. Time is counted in turns.
 */
export class TurnAccounts {
  /** Their weights. */
  readonly shares: Float64Array;
  /** Picks since the turn began; of parts, where somebody came in between two of them. */
  readonly taken: Float64Array;
  /**
   * The numbers of their last picks, so that of equals the one that has waited longest comes first; random before that.
   */
  readonly since: Float64Array;
  /** When their next picks may be at the earliest, and when they should be at the latest. */
  readonly opens: Float64Array;
  readonly dues: Float64Array;

  constructor(readonly count: number) {
    this.shares = new Float64Array(count);
    this.taken = new Float64Array(count);
    this.since = new Float64Array(count);
    this.opens = new Float64Array(count);
    this.dues = new Float64Array(count);
  }

  shareOf(place: number): number {
    return this.shares[place] ?? 0;
  }

  takenBy(place: number): number {
    return this.taken[place] ?? 0;
  }

  /** The number of its last pick. */
  pickBy(place: number): number {
    return this.since[place] ?? 0;
  }

  /** How many picks are missing to the exact share at a time; negative: how many it has in advance. */
  outstanding(place: number, time: number): number {
    return this.shareOf(place) * time - this.takenBy(place);
  }

  set(place: number, share: number, taken: number, since: number): void {
    this.shares[place] = share;
    this.taken[place] = taken;
    this.since[place] = since;
  }

  /** Takes over others' accounts, but for when their next picks are. */
  copy({ shares, taken, since }: TurnAccounts, from: number, to: number, shift: number): void {
    this.shares.set(shares.subarray(from + shift, to + shift), from);
    this.taken.set(taken.subarray(from + shift, to + shift), from);
    this.since.set(since.subarray(from + shift, to + shift), from);
  }

  charge(place: number, pick: number): void {
    this.taken[place] = this.takenBy(place) + 1;
    this.since[place] = pick;
  }

  /** Counts anew after so many whole turns. */
  forget(turns: number): void {
    for (let place = 0; place < this.count; place++)
      this.taken[place] = this.takenBy(place) - turns * this.shareOf(place);
  }

  /**
   * Says when the next pick may and should be for nobody ever to be a whole pick away from its exact share: not before a
   * small part of it is due, nor after all of it but that part. This is Tijdeman's rule ("The chairman assignment problem",
   * 1980); its 1 - 1 / (2n - 2) of a pick is the least that is possible among n.
   * @param among how many take turns
   */
  schedule(place: number, among = this.count): void {
    const part = 1 / Math.max(2 * among - 2, 2);
    const taken = this.takenBy(place);
    const share = this.shareOf(place);
    this.opens[place] = (taken + part) / share;
    this.dues[place] = (taken + 1 - part) / share;
  }

  opensBefore(a: number, b: number): boolean {
    return (this.opens[a] ?? 0) < (this.opens[b] ?? 0);
  }

  /** Which of two that may be picked comes first. */
  isDueBefore(a: number, b: number): boolean {
    const { dues, shares, since } = this;
    const ahead = (dues[a] ?? 0) - (dues[b] ?? 0);
    if (ahead !== 0) return ahead < 0;
    // The light ones can wait for the gap between two picks of a heavy one, not the other way round.
    const heavier = (shares[a] ?? 0) - (shares[b] ?? 0);
    if (heavier !== 0) return heavier > 0;
    const waitedLonger = (since[b] ?? 0) - (since[a] ?? 0);
    return waitedLonger === 0 ? a < b : waitedLonger > 0;
  }

  /**
   * Leaves to those who missed picks together one of these, for all of them. What they have outstanding or in advance among
   * themselves stays.
   * @returns how many picks they are not owed any more
   */
  forgiveMissed(places: readonly number[], time: number): number {
    let shares = 0;
    let missing = 0;
    for (const place of places) {
      shares += this.shareOf(place);
      missing += this.outstanding(place, time);
    }
    if (missing <= 1) return 0;
    for (const place of places)
      this.taken[place] = this.takenBy(place) + ((missing - 1) / shares) * this.shareOf(place);
    return missing - 1;
  }

  /**
   * Makes what some have outstanding equal to what others have in advance, as it is not when some come or go. Everybody
   * bears as many picks of the difference: by their shares, a heavy one would bear several.
   */
  balance(time: number): void {
    let missing = 0;
    for (let place = 0; place < this.count; place++) missing += this.outstanding(place, time);
    // Whole numbers stay whole where nothing has changed.
    if (missing * missing < ROUNDING) return;
    for (let place = 0; place < this.count; place++) this.taken[place] = this.takenBy(place) + missing / this.count;
  }
}
