import { keyOf } from '../model/index.js';
import { LATENCY_BUCKETS, mergeInto, percentileOf } from './latency-histogram.js';

/** The length of a slot, in milliseconds. */
const SLOT_MS = 300_000;
/** An hour, and the slot in progress. */
const SLOTS = 13;
/** Instances in all; one takes at most 6 KB. */
export const MAX_INSTANCES = 2_000;

/** Calls and attempts that ended at one instance. */
export interface InstanceCalls {
  calls: number;
  errors: number;
  /** Calls of one attempt by duration, see `latencyBucket`. */
  readonly latencies: Uint32Array;
}

/** What came to one instance within a window, from all callers. */
export interface InstanceTotal {
  readonly instanceId: string;
  readonly calls: number;
  readonly errors: number;
  /** In milliseconds; null: no call. */
  readonly p95: number | null;
}

interface Kept {
  readonly service: string;
  readonly instanceId: string;
  /** By the number of the slot since the Unix epoch. */
  readonly slots: Map<number, InstanceCalls>;
  lastSlot: number;
}

/**
 * Which instances the calls of the last hour ended at, in slots of 5 minutes. Beyond {@link MAX_INSTANCES}, those that were
 * not called for the longest are dropped first.
 */
export class InstanceFigures {
  /** Those that were not called for the longest come first. */
  private readonly kept = new Map<string, Kept>();

  /** @param at when the calls were made, in milliseconds since the Unix epoch */
  add(at: number, service: string, instanceId: string, calls: InstanceCalls): void {
    const slot = slotOf(at);
    const kept = this.of(service, instanceId, slot);
    if (!kept || slot <= kept.lastSlot - SLOTS) return;
    const known = kept.slots.get(slot);
    if (known) addCalls(known, calls);
    else kept.slots.set(slot, addCalls(noCalls(), calls));
  }

  /** The instances of a service with calls since a time, in whole slots. */
  totals(service: string, since: number): InstanceTotal[] {
    const from = slotOf(since);
    const totals: InstanceTotal[] = [];
    for (const { service: its, instanceId, slots } of this.kept.values()) {
      if (its !== service) continue;
      const sum = noCalls();
      for (const [slot, calls] of slots) if (slot >= from) addCalls(sum, calls);
      if (sum.calls === 0) continue;
      totals.push({ instanceId, calls: sum.calls, errors: sum.errors, p95: percentileOf(sum.latencies, 0.95) });
    }
    return totals;
  }

  private of(service: string, instanceId: string, slot: number): Kept | undefined {
    const key = keyOf({ serviceName: service, instanceId });
    let kept = this.kept.get(key);
    if (kept && kept.lastSlot >= slot) return kept;
    if (!kept) {
      if (this.kept.size >= MAX_INSTANCES && !this.dropOldest(slot)) return undefined;
      kept = { service, instanceId, slots: new Map(), lastSlot: slot };
    }
    kept.lastSlot = slot;
    for (const old of kept.slots.keys()) if (old <= slot - SLOTS) kept.slots.delete(old);
    this.kept.delete(key);
    this.kept.set(key, kept);
    return kept;
  }

  /** @returns false if all were called within the slot */
  private dropOldest(slot: number): boolean {
    const [oldest] = this.kept;
    return oldest !== undefined && oldest[1].lastSlot < slot && this.kept.delete(oldest[0]);
  }
}

export function noCalls(): InstanceCalls {
  return { calls: 0, errors: 0, latencies: new Uint32Array(LATENCY_BUCKETS) };
}

export function addCalls(to: InstanceCalls, { calls, errors, latencies }: InstanceCalls): InstanceCalls {
  to.calls += calls;
  to.errors += errors;
  mergeInto(to.latencies, latencies);
  return to;
}

function slotOf(at: number): number {
  return Math.floor(at / SLOT_MS);
}
