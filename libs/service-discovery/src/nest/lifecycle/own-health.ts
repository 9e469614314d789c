import { type Clock, type Timer } from '../../common/index.js';
import { type InstanceKey, keyOf, type Lease } from '../../model/index.js';
import { type ServiceRegistry } from '../../registry/index.js';
import { type ServiceReadiness } from '../readiness/index.js';

export interface OwnHealthDeps {
  readonly registry: Pick<ServiceRegistry, 'ownLeases' | 'getInstance' | 'setStatus' | 'onChange'>;
  readonly readiness: Pick<ServiceReadiness, 'holdReasons' | 'isClosed' | 'onChange'>;
  /** Subscribes to lost leases that were registered again. @returns unsubscribes */
  onRecovered(listener: (key: InstanceKey) => void): () => void;
  readonly clock: Clock;
}

/** A report that an instance is unhealthy, which the registry has or may have received. */
interface Said {
  readonly generation: number;
  /** Undefined: unknown whether it was received. */
  readonly reason: string | undefined;
}

/** Delay before repeating a report to a registry that did not answer. */
const RETRY_MS = 1_000;

/**
 * Reports to the registry at once when this process becomes unready: its instances are `unhealthy`, with the reason of
 * the hold, and `unknown` after the hold until the next check. Checks of the readiness route would find the same later;
 * this anticipates their result, so it never overrides an operator.
 *
 * It is reported once per reason and registration: checks with a different result have the last word.
 */
export class OwnHealth {
  private readonly announced = new Set<string>();
  private readonly said = new Map<string, Said>();
  private readonly stops: readonly (() => void)[];
  private telling: Promise<void> | undefined;
  private retry: Timer | undefined;
  private closed = false;

  constructor(private readonly deps: OwnHealthDeps) {
    this.stops = [
      deps.readiness.onChange(() => this.tell()),
      // A new registration without a known status; its generation may be the old one if the registry restarted.
      deps.onRecovered((key) => {
        this.said.delete(keyOf(key));
        this.tell();
      }),
      deps.registry.onChange((_snapshot, _previous, change) => {
        if (change?.type === 'put' || change?.type === 'reset') this.tell();
      }),
    ];
  }

  /** Reports readiness for this instance, too. */
  add(key: InstanceKey): void {
    this.announced.add(keyOf(key));
    this.tell();
  }

  /** Stops reporting; resolves when no report is in flight. */
  async close(): Promise<void> {
    this.closed = true;
    for (const stop of this.stops) stop();
    this.retry?.cancel();
    await this.telling;
  }

  private tell(): void {
    if (this.telling || this.news().length === 0) return;
    this.retry?.cancel();
    this.telling = this.tellAll();
  }

  /** Never rejects. */
  private async tellAll(): Promise<void> {
    let isHeard = true;
    for (let news = this.news(); isHeard && news.length > 0; news = this.news()) {
      const heard = await Promise.all(news.map((lease) => this.say(lease)));
      isHeard = !heard.includes(false);
    }
    if (!isHeard && !this.closed) {
      this.retry = this.deps.clock.setTimer(() => this.tell(), RETRY_MS, { keepAlive: false });
    }
    // In the same turn as the last check, or a change in between would not be reported.
    this.telling = undefined;
  }

  /** Instances with something to report. */
  private news(): readonly Lease[] {
    const { registry, readiness } = this.deps;
    if (this.closed || readiness.isClosed) return [];
    const reason = this.reason();
    if (reason === undefined && this.said.size === 0) return [];
    return registry.ownLeases().filter((lease) => {
      const said = this.said.get(keyOf(lease));
      if (reason === undefined) return said !== undefined;
      return this.announced.has(keyOf(lease)) && (said?.generation !== lease.generation || said.reason !== reason);
    });
  }

  /** @returns false: the registry did not answer */
  private async say(lease: Lease): Promise<boolean> {
    const { registry, clock } = this.deps;
    const { serviceName, instanceId, generation } = lease;
    const key = { serviceName, instanceId };
    const reason = this.reason();
    const shown = registry.getInstance(key);
    // Of two processes with one id, the later one holds it.
    const isSucceeded = shown !== undefined && shown.generation > generation;
    this.said.set(keyOf(key), { generation, reason: undefined });
    try {
      if (!isSucceeded && reason === undefined) await registry.setStatus(key, 'unknown');
      else if (!isSucceeded) await registry.setStatus(key, 'unhealthy', { checkedAt: clock.epoch(), reason });
    } catch {
      return false;
    }
    if (reason === undefined) this.said.delete(keyOf(key));
    else this.said.set(keyOf(key), { generation, reason });
    return true;
  }

  private reason(): string | undefined {
    const reasons = this.deps.readiness.holdReasons;
    return reasons.length > 0 ? `not ready: ${reasons.join('; ')}` : undefined;
  }
}
