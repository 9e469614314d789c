const SLICES = 100;
/** Tolerance for binary fractions, in milliseconds. */
const ROUNDING = 1e-6;

/**
 * Admits a growing share of the calls after a circuit has closed. It is a share of the time: the ramp is cut into a
 * hundred slices, and each admits calls during its first part, which gets longer from slice to slice. So it counts
 * nothing, asking has no side effect, and a refused call can be told when the next slice begins.
 */
export class ClosingRamp {
  private startedAt: number | undefined;
  /** 0: there is no ramp. */
  private readonly sliceMs: number;

  /** @param durationMs false: there is no ramp */
  constructor(durationMs: number | false) {
    this.sliceMs = durationMs === false ? 0 : durationMs / SLICES;
  }

  start(now: number): void {
    if (this.sliceMs > 0) this.startedAt = now;
  }

  stop(): void {
    this.startedAt = undefined;
  }

  get isRunning(): boolean {
    return this.startedAt !== undefined;
  }

  /** The share of the calls that is admitted now. */
  share(now: number): number {
    const elapsedMs = this.elapsedMs(now);
    return elapsedMs === undefined ? 1 : shareOf(Math.floor(elapsedMs / this.sliceMs));
  }

  /** Milliseconds until a call is admitted; 0: now. */
  waitMs(now: number): number {
    const elapsedMs = this.elapsedMs(now);
    if (elapsedMs === undefined) return 0;
    const slice = Math.floor(elapsedMs / this.sliceMs);
    const offsetMs = elapsedMs - slice * this.sliceMs;
    if (offsetMs < this.sliceMs * shareOf(slice)) return 0;
    const wait = this.sliceMs - offsetMs;
    return wait > ROUNDING ? wait : 0;
  }

  /** Undefined while no ramp runs. Stops one whose time is over. */
  private elapsedMs(now: number): number | undefined {
    if (this.startedAt === undefined) return undefined;
    const elapsedMs = now - this.startedAt;
    if (elapsedMs < this.sliceMs * SLICES) return elapsedMs;
    this.stop();
    return undefined;
  }
}

/** From a tenth in the first slice to all after the last. */
function shareOf(slice: number): number {
  return (SLICES + 9 * slice) / (10 * SLICES);
}
