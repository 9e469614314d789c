import {
  isSplitPart,
  type ReportedPart,
  type ServiceSplit,
  SPLIT_PARTS,
  type SplitPart,
  waysOf,
} from '../model/index.js';
import { type EventBus } from './event-bus.js';
import {
  addReportedLatencies,
  LATENCY_BUCKETS,
  latencyBucket,
  percentileOf,
  toReportedLatencies,
} from './latency-histogram.js';

/** What attempts at one part of a split came to. */
export interface PartFigures {
  readonly part: SplitPart;
  readonly attempts: number;
  readonly errors: number;
  /** In milliseconds; null: no attempt. */
  readonly p99: number | null;
}

interface Counts {
  attempts: number;
  errors: number;
  readonly latencies: Uint32Array;
}

type PartCounts = Map<SplitPart, Counts>;

/**
 * How attempts at the parts of splits end: since the split of a service was last changed, of this process and of those that
 * report to it.
 */
export class SplitFigures {
  private readonly services = new Map<
    string,
    { split: ServiceSplit | undefined; readonly ways: string; readonly parts: PartCounts }
  >();
  /** Attempts of this process that it has not reported, by service. */
  private readonly unreported = new Map<string, PartCounts>();
  private readonly unsubscribe: () => void;
  private readonly listeners = new Set<(service: string) => void>();

  /** @param splitOf how the calls to a service are split */
  constructor(
    bus: EventBus,
    private readonly splitOf: (service: string) => ServiceSplit | undefined,
  ) {
    this.unsubscribe = bus.on('call.split', ({ service, part, ok, durationMs }) => {
      for (const parts of [this.partsOf(service), this.unreportedOf(service)]) {
        const counts = countsOf(parts, part);
        counts.attempts++;
        if (!ok) counts.errors++;
        counts.latencies[latencyBucket(durationMs)]!++;
      }
      if (part === 'canary') for (const listener of this.listeners) listener(service);
    });
  }

  /** Calls the listener after each attempt of this process at the new version of a rollout. @returns removes it */
  onCanary(listener: (service: string) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  of(service: string): readonly PartFigures[] {
    const parts = this.partsOf(service);
    return SPLIT_PARTS.flatMap((part) => {
      const counts = parts.get(part);
      if (!counts) return [];
      const { attempts, errors, latencies } = counts;
      return [{ part, attempts, errors, p99: percentileOf(latencies, 0.99) }];
    });
  }

  /** The attempts of this process at the parts of a service since the last report; undefined if there were none. */
  takeReport(service: string): readonly ReportedPart[] | undefined {
    const parts = this.unreported.get(service);
    this.unreported.delete(service);
    return (
      parts &&
      [...parts].map(([part, { attempts, errors, latencies }]) => ({
        part,
        attempts,
        errors,
        latencies: toReportedLatencies(latencies),
      }))
    );
  }

  /** Adds what another process reported. @param until when these attempts had ended, in milliseconds since the Unix epoch */
  add(service: string, reported: readonly ReportedPart[], until: number): void {
    const split = this.splitOf(service);
    // A store also has reports of attempts before the rollout, which must not count against it.
    if (!split || (split.rollout && until <= split.rollout.since)) return;
    for (const { part, attempts, errors, latencies } of reported) {
      if (!isSplitPart(part)) continue;
      const counts = countsOf(this.partsOf(service), part);
      counts.attempts += attempts;
      counts.errors += errors;
      addReportedLatencies(counts.latencies, latencies);
    }
  }

  close(): void {
    this.unsubscribe();
  }

  private partsOf(service: string): PartCounts {
    const split = this.splitOf(service);
    let known = this.services.get(service);
    if (known && known.split === split) return known.parts;
    const ways = waysOf(split);
    if (known?.ways === ways) known.split = split;
    else this.services.set(service, (known = { split, ways, parts: new Map<SplitPart, Counts>() }));
    return known.parts;
  }

  private unreportedOf(service: string): PartCounts {
    let parts: PartCounts | undefined = this.unreported.get(service);
    if (!parts) this.unreported.set(service, (parts = new Map<SplitPart, Counts>()));
    return parts;
  }
}

function countsOf(parts: PartCounts, part: SplitPart): Counts {
  let counts = parts.get(part);
  if (!counts) parts.set(part, (counts = { attempts: 0, errors: 0, latencies: new Uint32Array(LATENCY_BUCKETS) }));
  return counts;
}
