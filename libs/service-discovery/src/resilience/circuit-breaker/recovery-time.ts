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
