import { type Clock, type Timer } from '../common/index.js';

/** How many instances of a service are named when they expire one right after the other. */
const NAMED = 10;
/** How long the others are counted before they are told of. */
const BURST_MS = 1_000;

interface Burst {
  named: number;
  counted: number;
  timer: Timer;
}

/**
 * Folds the lines of many instances of one service that expire together, as all do that one lost network was in front of:
 * the first ten are named, the others counted, and told of once a second.
 */
export class ExpiryBursts {
  private readonly bursts = new Map<string, Burst>();

  /** @param tell called with how many more expired than were named, or told of before */
  constructor(
    private readonly clock: Clock,
    private readonly tell: (service: string, count: number) => void,
  ) {}

  /** An instance of a service has expired. @returns whether it is to be named */
  names(service: string): boolean {
    const burst = this.bursts.get(service) ?? this.begin(service);
    if (burst.named < NAMED) {
      burst.named++;
      return true;
    }
    burst.counted++;
    return false;
  }

  /** Tells of what was counted. */
  close(): void {
    for (const [service, { counted, timer }] of this.bursts) {
      timer.cancel();
      if (counted > 0) this.tell(service, counted);
    }
    this.bursts.clear();
  }

  private begin(service: string): Burst {
    const burst = { named: 0, counted: 0, timer: this.arm(service) };
    this.bursts.set(service, burst);
    return burst;
  }

  private arm(service: string): Timer {
    return this.clock.setTimer(() => this.end(service), BURST_MS, { keepAlive: false });
  }

  /** One that goes on is told of again a second later, and names no more instances. */
  private end(service: string): void {
    const burst = this.bursts.get(service);
    if (!burst) return;
    const { counted } = burst;
    if (counted === 0) {
      this.bursts.delete(service);
      return;
    }
    burst.counted = 0;
    burst.timer = this.arm(service);
    this.tell(service, counted);
  }
}
