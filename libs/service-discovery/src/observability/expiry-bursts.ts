import { type Clock, type Timer } from '../common/index.js';

/** How many instances of a service are logged by name when they expire in quick succession. */
const NAMED = 10;
/** How often the others are reported, in milliseconds. */
const BURST_MS = 1_000;

interface Burst {
  named: number;
  counted: number;
  timer: Timer;
}

/**
 * Summarizes instances of one service that expire together, for example after the loss of a network: the first ten are
 * logged by name, the others are counted and reported once a second.
 */
export class ExpiryBursts {
  private readonly bursts = new Map<string, Burst>();

  /** @param report called with the number of instances that expired since the last report without being named */
  constructor(
    private readonly clock: Clock,
    private readonly report: (service: string, count: number) => void,
  ) {}

  /** Call it when an instance expires. @returns whether to log it by name */
  names(service: string): boolean {
    const burst = this.bursts.get(service) ?? this.begin(service);
    if (burst.named < NAMED) {
      burst.named++;
      return true;
    }
    burst.counted++;
    return false;
  }

  /** Reports what was counted. */
  close(): void {
    for (const [service, { counted, timer }] of this.bursts) {
      timer.cancel();
      if (counted > 0) this.report(service, counted);
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

  /** A burst that continues is reported again a second later, and names no more instances. */
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
    this.report(service, counted);
  }
}
