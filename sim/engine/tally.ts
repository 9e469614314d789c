/** Results of calls as seen by their callers. */
export class Tally {
  private readonly began: number[] = [];
  private readonly took: number[] = [];
  private readonly good: boolean[] = [];

  get calls(): number {
    return this.began.length;
  }

  get failures(): number {
    return this.calls - this.good.filter(Boolean).length;
  }

  /** Success rate, 0 to 1; optionally of the calls that began within a period. */
  success(from = 0, until = Number.POSITIVE_INFINITY): number {
    let calls = 0;
    let good = 0;
    this.began.forEach((at, index) => {
      if (at < from || at >= until) return;
      calls++;
      if (this.good[index]) good++;
    });
    return calls === 0 ? Number.NaN : good / calls;
  }

  /**
   * Latency percentile of all calls, including failed ones: a caller waits for a failure too.
   * @param share 0.99 for the 99th percentile
   */
  latency(share: number): number {
    const sorted = Float64Array.from(this.took).sort();
    return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
  }

  /** The time from which the success rate over `forMs` reaches this value again; NaN: never. In whole seconds. */
  recoveredAt(success: number, from: number, forMs: number): number {
    const end = this.began.at(-1) ?? from;
    for (let at = from; at + forMs <= end; at += 1_000) if (this.success(at, at + forMs) >= success) return at;
    return Number.NaN;
  }

  record(beganAt: number, tookMs: number, isGood: boolean): void {
    this.began.push(beganAt);
    this.took.push(tookMs);
    this.good.push(isGood);
  }
}
