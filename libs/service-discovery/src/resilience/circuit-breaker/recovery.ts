import { type Random } from '../../common/index.js';
import { type ResolvedCircuitBreakerOptions } from './circuit-breaker-options.js';

type RecoveryOptions = Pick<
  ResolvedCircuitBreakerOptions,
  'recoveryTimeout' | 'recoveryBackoff' | 'maxRecoveryTimeout' | 'recoveryJitter'
>;

/**
 * How long a circuit stays open: longer each time that it opens again. A circuit that opens soon after it closed continues
 * where it was, since one lucky probe says little about a callee that keeps failing.
 */
export class RecoveryTime {
  /** How often the circuit opened again since it was closed for long enough. */
  private repeats = 0;
  private lastMs = 0;
  private closedAt: number | undefined;

  constructor(
    private readonly options: RecoveryOptions,
    private readonly random: Random,
  ) {}

  /** The open time in milliseconds; call it once per opening. */
  next(now: number): number {
    if (this.closedAt !== undefined && now - this.closedAt >= this.lastMs) this.repeats = 0;
    this.closedAt = undefined;
    const { recoveryTimeout, recoveryBackoff, maxRecoveryTimeout, recoveryJitter } = this.options;
    const ms = Math.min(maxRecoveryTimeout, recoveryTimeout * recoveryBackoff ** this.repeats++);
    // Jitter applies to the longest time too: there, above all, processes would probe in sync.
    this.lastMs = recoveryJitter === 0 ? ms : ms * (1 + recoveryJitter * this.random());
    return this.lastMs;
  }

  /** The circuit has closed. */
  closed(now: number): void {
    this.closedAt = now;
  }

  clear(): void {
    this.repeats = 0;
  }
}

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
