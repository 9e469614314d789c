/** How calls ended, as their callers saw it. */
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

  /** 0 to 1; of the calls that began between two moments, where these are given. */
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
   * Of all calls, also of the failed ones: a caller waits for a failure too.
   * @param share 0.99 for the 99th percentile
   */
  latency(share: number): number {
    const sorted = Float64Array.from(this.took).sort();
    return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
  }

  /**
   * The end of the last second that was worse than `success`; NaN when no second was.
   * @param from seconds before that are left out
   */
  recoveredAt(success: number, from: number): number {
    const seconds = new Map<number, { calls: number; good: number }>();
    this.began.forEach((at, index) => {
      const second = Math.floor(at / 1_000);
      const entry = seconds.get(second) ?? { calls: 0, good: 0 };
      entry.calls++;
      if (this.good[index]) entry.good++;
      seconds.set(second, entry);
    });
    let recovered = Number.NaN;
    for (const [second, { calls, good }] of seconds) {
      if (second * 1_000 >= from && good / calls < success) recovered = (second + 1) * 1_000;
    }
    return recovered;
  }

  record(beganAt: number, tookMs: number, isGood: boolean): void {
    this.began.push(beganAt);
    this.took.push(tookMs);
    this.good.push(isGood);
  }
}
