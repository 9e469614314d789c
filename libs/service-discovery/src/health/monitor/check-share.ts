import { randomUUID } from 'node:crypto';
import { type Clock, type Random, type Timer } from '../../common/index.js';
import { keyOf, type InstanceKey } from '../../model/index.js';
import { type CheckerRoster } from '../../store/index.js';

/**
 * Fraction of the check interval between two heartbeats. Together with the first wait of a new target it stays below
 * two.
 */
const BEAT_SHARE = 1 / 4;
const LEASE_SHARE = 3 / 4;
/** Upper bound between heartbeats, so that a dead checker is noticed soon even where check intervals are long. */
const LONGEST_BEAT_MS = 10_000;

export interface CheckShareDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** The time between two checks of an instance. */
  readonly intervalMs: number;
  /** Whether an instance is known to this process only, so that no other process can check it. @default none is */
  readonly isLocal?: (key: InstanceKey) => boolean;
}

/**
 * Selects the instances that this process checks. Each instance belongs to the checker with the highest hash for it
 * (rendezvous hashing; Thaler and Ravishankar, 1998): all processes agree without talking to each other, and only the
 * share of a checker that joins or leaves moves. Until all processes have seen the change, an instance may briefly be
 * checked by two of them or by none. While the roster cannot be reached, the last known one applies.
 */
export class CheckShare {
  private readonly id = randomUUID();
  private checkers: readonly string[] = [];
  private timer: Timer | undefined;
  private beating: Promise<void> | undefined;
  private closed = false;
  private changed: () => void = () => undefined;

  constructor(
    private readonly roster: CheckerRoster,
    private readonly deps: CheckShareDeps,
  ) {}

  /** How many processes check, this one included, when the roster was last read; undefined: never. */
  get size(): number | undefined {
    return this.checkers.length || undefined;
  }

  /** Joins the checkers. @param changed called whenever the share may have changed */
  start(changed: () => void): void {
    this.changed = changed;
    this.beat();
  }

  /** Whether this process checks an instance. Before the first roster arrives, only instances that are local to it. */
  has(key: InstanceKey): boolean {
    if (this.deps.isLocal?.(key)) return true;
    const text = keyOf(key);
    let owner: string | undefined;
    let greatest = -1;
    for (const checker of this.checkers) {
      const weight = hash(`${checker}/${text}`);
      if (weight > greatest) [greatest, owner] = [weight, checker];
    }
    return owner === this.id;
  }

  /** Leaves the checkers so that the others take over at once. Never rejects. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    if (!this.beating) return;
    this.timer?.cancel();
    await this.beating;
    // If the roster cannot be reached, the others notice by the missing heartbeats.
    await this.roster.retireChecker(this.id).catch(() => undefined);
  }

  private beat(): void {
    const beatMs = Math.min(this.deps.intervalMs * BEAT_SHARE, LONGEST_BEAT_MS);
    this.beating = this.announce(beatMs * (LEASE_SHARE / BEAT_SHARE)).then(() => {
      if (this.closed) return;
      const ms = beatMs * (1 - 0.1 * this.deps.random());
      this.timer = this.deps.clock.setTimer(() => this.beat(), Math.ceil(ms), { keepAlive: false });
    });
  }

  private async announce(ttlMs: number): Promise<void> {
    try {
      const checkers = [...(await this.roster.announceChecker(this.id, Math.ceil(ttlMs)))].sort();
      if (this.closed || checkers.join() === this.checkers.join()) return;
      this.checkers = checkers;
    } catch {
      // The registry reports its outage itself; the share stays as it was.
      return;
    }
    this.changed();
  }
}

/** FNV-1a over UTF-16 units, with the finalizer of MurmurHash3 since FNV alone maps similar texts to similar hashes. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
