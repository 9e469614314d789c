/**
 * Statistics of a list with one value left out, so that a value is not compared with itself: among a few values, a single
 * outlier moves mean and deviation so far that it is never found. Medians, so that a minority of outliers does not hide
 * each other.
 */
export class LeaveOneOut {
  private readonly sorted: Float64Array;

  constructor(values: readonly number[]) {
    this.sorted = Float64Array.from(values).sort();
  }

  /** The median of the others; NaN without others. */
  median(value: number): number {
    const others = this.sorted.length - 1;
    const skip = this.placeOf(value);
    const upper = this.at(others >> 1, skip);
    return others % 2 === 1 ? upper : (this.at((others >> 1) - 1, skip) + upper) / 2;
  }

  /** The standard deviation of the others, estimated from their median absolute deviation; 0 without others. */
  deviation(value: number): number {
    const others = this.sorted.length - 1;
    if (others < 1) return 0;
    const skip = this.placeOf(value);
    const center = this.median(value);
    // Walks the deviations in ascending order: from the middle outwards, taking the nearer side each time.
    let above = others >> 1;
    let below = above - 1;
    let lower = 0;
    let upper = 0;
    for (let taken = 0; taken <= others >> 1; taken++) {
      const down = below >= 0 ? center - this.at(below, skip) : Infinity;
      const up = above < others ? this.at(above, skip) - center : Infinity;
      lower = upper;
      upper = Math.min(down, up);
      if (down < up) below--;
      else above++;
    }
    return NORMAL * (others % 2 === 1 ? upper : (lower + upper) / 2);
  }

  /** The first place of a value that is in the list. */
  private placeOf(value: number): number {
    let from = 0;
    let to = this.sorted.length - 1;
    while (from < to) {
      const middle = (from + to) >> 1;
      if (this.sorted[middle]! < value) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  private at(place: number, skip: number): number {
    return this.sorted[place < skip ? place : place + 1] ?? Number.NaN;
  }
}

/** The ratio of standard deviation to median absolute deviation in a normal distribution. */
const NORMAL = 1.4826;

/**
 * The standard error of a share of `calls`. The share is first moved a little towards one half (Agresti and Coull), so
 * that a hundred successes do not pass for certainty.
 */
export function standardError(share: number, calls: number): number {
  const drawn = (share * calls + 2) / (calls + 4);
  return Math.sqrt((drawn * (1 - drawn)) / calls);
}

/** The value below which a share of the values lies, by the nearest rank. Sorts the values in place. */
export function quantileOf(values: Float64Array, quantile: number): number {
  values.sort();
  return values[Math.max(0, Math.ceil(quantile * values.length) - 1)] ?? Number.NaN;
}
