const SLICES = 100;
/** Milliseconds that binary fractions may be off. */
const ROUNDING = 1e-6;

/**
 * Lets a growing share of the calls through, after a circuit has closed. It is a share of the time: the ramp is cut into
 * a hundred slices, and each lets calls through in its first part, a longer one in each. So it needs to count nothing,
 * whether a call may pass can be asked without taking anything, and a refused one can be told when the next slice begins.
 */
export class ClosingRamp {
  private startedAt: number | undefined;

  /** @param durationMs false: there is no ramp */
  constructor(private readonly durationMs: number | false) {}

  start(now: number): void {
    if (this.durationMs !== false) this.startedAt = now;
  }

  stop(): void {
    this.startedAt = undefined;
  }

  get isRunning(): boolean {
    return this.startedAt !== undefined;
  }

  /** The share of the calls that are let through now. */
  share(now: number): number {
    const slice = this.sliceAt(now);
    return slice === undefined ? 1 : shareOf(slice.index);
  }

  /** Milliseconds until a call is let through; 0: it is now. */
  waitMs(now: number): number {
    const slice = this.sliceAt(now);
    if (!slice || slice.offsetMs < slice.lengthMs * shareOf(slice.index)) return 0;
    const wait = slice.lengthMs - slice.offsetMs;
    return wait > ROUNDING ? wait : 0;
  }

  private sliceAt(now: number): { index: number; offsetMs: number; lengthMs: number } | undefined {
    const { startedAt, durationMs } = this;
    if (startedAt === undefined || durationMs === false) return undefined;
    const elapsedMs = now - startedAt;
    if (elapsedMs >= durationMs) {
      this.stop();
      return undefined;
    }
    const lengthMs = durationMs / SLICES;
    const index = Math.floor(elapsedMs / lengthMs);
    return { index, offsetMs: elapsedMs - index * lengthMs, lengthMs };
  }
}

/** From a tenth in the first slice to all after the last. */
function shareOf(slice: number): number {
  return (SLICES + 9 * slice) / (10 * SLICES);
}
