import { type Clock, type Timer } from '../common/index.js';
import { CALL_COUNTS, type EventName } from '../model/index.js';
import { type EventBus, type EventOf } from './event-bus.js';
import { type InstanceCalls, InstanceFigures, type InstanceTotal, MAX_INSTANCES, noCalls } from './instance-figures.js';
import { LATENCY_BUCKETS, latencyBucket, mergeInto, percentileOf, totalMsOf } from './latency-histogram.js';

/** The length of a step of call figures. */
export const STEP_MS = 10_000;
/** An hour. */
const STEPS = 360;
/** Histograms are kept for this many steps, to merge those of several processes and the last minute. */
const RECENT_STEPS = 9;
const LAST_MINUTE_STEPS = 6;
/** Callees of this process, and edges in all; an edge takes about 18 KB. */
const MAX_CALLEES = 200;
const MAX_EDGES = 1_000;

/** What calls from one service to another came to within a step. */
type CallCounts = Record<(typeof CALL_COUNTS)[number], number>;

export interface StepFigures extends CallCounts {
  /** Calls by duration, see `latencyBucket`. */
  readonly latencies: Uint32Array;
}

interface Percentiles {
  /** In milliseconds; null: no call. */
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
}

/** A step of one edge. */
interface CallPoint extends CallCounts, Percentiles {
  /** When it began, in milliseconds since the Unix epoch. */
  readonly at: number;
}

/** Calls of one service to another. */
export interface CallEdge {
  readonly caller: string;
  readonly service: string;
  /** Steps with calls, the oldest first. */
  readonly points: readonly CallPoint[];
}

/** The last minute of an edge. */
export interface EdgeRate extends Percentiles {
  readonly caller: string;
  readonly service: string;
  readonly callsPerSecond: number;
  /** 0 to 1. */
  readonly errorShare: number;
}

/** What this process called of one service within a step. */
export interface OwnStep extends StepFigures {
  /** By instance id. */
  readonly instances: Map<string, InstanceCalls>;
}

/** What all callers of a service asked of it in the last minute, the present step included. */
export interface ServiceDemand {
  /** Calls in progress on average, those that wait or are repeated included: by Little's law, their rate times their duration. */
  readonly inFlight: number;
  readonly callsPerSecond: number;
  /** In milliseconds; null: no call. */
  readonly p99: number | null;
  /** How many calls waited for a slot on average. */
  readonly queued: number;
}

interface EdgeSum {
  readonly caller: string;
  readonly service: string;
  readonly figures: StepFigures;
}

/** @param calls of this process, by callee; the listener may keep what is in the map, not the map */
type StepListener = (step: number, calls: ReadonlyMap<string, OwnStep>) => void;

/** The last hour of one edge, in rings. */
class EdgeRing {
  /** The number of the step that a place of the rings holds. */
  private readonly steps = new Float64Array(STEPS);
  private readonly counts = new Uint32Array(STEPS * CALL_COUNTS.length);
  private readonly percentiles = new Float32Array(STEPS * PERCENTILES.length);
  private readonly recentSteps = new Float64Array(RECENT_STEPS);
  private readonly recent = new Uint32Array(RECENT_STEPS * LATENCY_BUCKETS);
  lastStep = 0;

  constructor(
    readonly caller: string,
    readonly service: string,
  ) {}

  add(step: number, figures: StepFigures): void {
    const place = step % STEPS;
    if (step < this.steps[place]! || step <= this.lastStep - STEPS) return;
    if (this.steps[place] !== step) {
      this.steps[place] = step;
      this.counts.fill(0, place * CALL_COUNTS.length, (place + 1) * CALL_COUNTS.length);
      this.percentiles.fill(NaN, place * PERCENTILES.length, (place + 1) * PERCENTILES.length);
    }
    for (const [index, name] of CALL_COUNTS.entries())
      this.counts[place * CALL_COUNTS.length + index]! += figures[name];
    this.lastStep = Math.max(this.lastStep, step);
    this.addLatencies(step, figures.latencies);
  }

  points(from: number): CallPoint[] {
    const points: CallPoint[] = [];
    for (let step = Math.max(from, this.lastStep - STEPS + 1); step <= this.lastStep; step++) {
      const place = step % STEPS;
      if (this.steps[place] !== step) continue;
      const [calls, errors, retries, hedges, shed, queued] = this.counts.subarray(place * CALL_COUNTS.length);
      const [p50, p95, p99] = this.percentiles.subarray(place * PERCENTILES.length);
      points.push({
        at: step * STEP_MS,
        calls: calls!,
        errors: errors!,
        retries: retries!,
        hedges: hedges!,
        shed: shed!,
        queued: queued!,
        p50: orNull(p50!),
        p95: orNull(p95!),
        p99: orNull(p99!),
      });
    }
    return points;
  }

  /** Adds the steps from `from` on to what is given. */
  sumUp(from: number, into: StepFigures): void {
    for (let step = Math.max(from, this.lastStep - RECENT_STEPS + 1); step <= this.lastStep; step++) {
      const place = step % STEPS;
      if (this.steps[place] !== step) continue;
      for (const [index, name] of CALL_COUNTS.entries()) into[name] += this.counts[place * CALL_COUNTS.length + index]!;
      const slot = step % RECENT_STEPS;
      if (this.recentSteps[slot] === step) mergeInto(into.latencies, this.latenciesAt(slot));
    }
  }

  private addLatencies(step: number, latencies: Uint32Array): void {
    const slot = step % RECENT_STEPS;
    if (step < this.recentSteps[slot]!) return;
    const merged = this.latenciesAt(slot);
    if (this.recentSteps[slot] !== step) {
      this.recentSteps[slot] = step;
      merged.fill(0);
    }
    mergeInto(merged, latencies);
    const at = (step % STEPS) * PERCENTILES.length;
    for (const [index, share] of PERCENTILES.entries())
      this.percentiles[at + index] = percentileOf(merged, share) ?? NaN;
  }

  private latenciesAt(slot: number): Uint32Array {
    return this.recent.subarray(slot * LATENCY_BUCKETS, (slot + 1) * LATENCY_BUCKETS);
  }
}

const PERCENTILES = [0.5, 0.95, 0.99] as const;

/**
 * Which service calls which, how often and how well: calls, errors, retries, hedges, shed load and latencies in steps of 10 s, for the
 * last hour, in rings of a fixed size. This process's calls are counted in fields at the end of each; other processes' come
 * as reports.
 */
export class CallFigures {
  /** What this process called within the present step, by callee. */
  private readonly present = new Map<string, OwnStep>();
  private presentStep = 0;
  private presentInstances = 0;
  private readonly rings = new Map<string, EdgeRing>();
  private readonly instances = new InstanceFigures();
  private readonly subscriptions: (() => void)[] = [];
  private readonly listeners = new Set<StepListener>();
  private timer: Timer | undefined;

  /**
   * @param caller this process as a caller: the service that it registered
   * @param queued how many of its calls to a service wait for a slot now
   */
  constructor(
    bus: EventBus,
    private readonly caller: () => string,
    private readonly clock: Clock,
    private readonly queued: (service: string) => number = () => 0,
  ) {
    const on = <Name extends EventName>(type: Name, listener: (event: EventOf<Name>) => void): void => {
      this.subscriptions.push(bus.on(type, listener));
    };
    on('call.completed', ({ service, instanceId, ok, code, attempts, durationMs }) => {
      const figures = this.of(service, code);
      if (!figures) return;
      const bucket = latencyBucket(durationMs);
      figures.calls++;
      if (!ok) figures.errors++;
      figures.latencies[bucket]!++;
      const instance = instanceId === undefined ? undefined : this.instanceOf(figures, instanceId);
      if (!instance) return;
      instance.calls++;
      if (!ok) instance.errors++;
      // With several attempts, it is not known how long the last one took.
      if (attempts === 1) instance.latencies[bucket]!++;
    });
    on('call.failed_over', ({ service, from }) => {
      const figures = from === service ? undefined : this.of(service);
      const instance = figures && this.instanceOf(figures, from);
      if (!instance) return;
      instance.calls++;
      instance.errors++;
    });
    on('call.retried', ({ service }) => this.count(service, 'retries'));
    on('call.hedged', ({ service }) => this.count(service, 'hedges'));
    on('call.refused', ({ service }) => this.count(service, 'shed'));
  }

  /**
   * The edges with calls in the last `minutes`, step by step. The present step is left out.
   * @param minutes 1 to 60
   */
  edges(minutes = 60): { readonly from: number; readonly edges: CallEdge[] } {
    this.endStep();
    const from = this.stepNow() - minutes * LAST_MINUTE_STEPS;
    const edges = [...this.rings.values()].map((ring) => ({
      caller: ring.caller,
      service: ring.service,
      points: ring.points(from),
    }));
    return { from: from * STEP_MS, edges: edges.filter(({ points }) => points.length > 0) };
  }

  /**
   * The instances of a service that calls of the last `minutes` ended at, in slots of 5 minutes. The present step is left out.
   * @param minutes 1 to 60
   */
  instancesOf(service: string, minutes = 60): InstanceTotal[] {
    this.endStep();
    return this.instances.totals(service, this.clock.epoch() - minutes * LAST_MINUTE_STEPS * STEP_MS);
  }

  /** The edges with calls in the last minute, the present step included. */
  lastMinute(): EdgeRate[] {
    const { seconds, sums } = this.sumUpLastMinute();
    return sums
      .filter(({ figures }) => figures.calls > 0)
      .map(({ caller, service, figures }) => ({
        caller,
        service,
        callsPerSecond: figures.calls / seconds,
        errorShare: figures.errors / figures.calls,
        ...percentilesOf(figures.latencies),
      }));
  }

  /** What all callers of a service asked of it in the last minute; undefined: no call is known. */
  demandOf(service: string): ServiceDemand | undefined {
    const { seconds, sums } = this.sumUpLastMinute(service);
    if (sums.length === 0) return undefined;
    const total = noFigures();
    for (const { figures } of sums) addUp(figures, total);
    return {
      inFlight: totalMsOf(total.latencies) / 1_000 / seconds,
      callsPerSecond: total.calls / seconds,
      p99: percentilesOf(total.latencies).p99,
      queued: total.queued / LAST_MINUTE_STEPS,
    };
  }

  /**
   * Calls `listener` at the end of each step in which this process made calls.
   * @returns removes the listener
   */
  onStep(listener: StepListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Adds to the calls of a step. Those of steps that are over for more than an hour, or have not begun, are left out. */
  add(step: number, caller: string, service: string, figures: StepFigures): void {
    // A report of a rollout comes within a step, and has attempts at the versions alone.
    if (!this.isKept(step) || CALL_COUNTS.every((name) => figures[name] === 0)) return;
    const key = edgeKey(caller, service);
    let ring = this.rings.get(key);
    if (!ring) {
      if (this.rings.size >= MAX_EDGES && !this.forgetOldEdges()) return;
      this.rings.set(key, (ring = new EdgeRing(caller, service)));
    }
    ring.add(step, figures);
  }

  /** Adds to what ended at one instance, as {@link add}. */
  addInstance(step: number, service: string, instanceId: string, calls: InstanceCalls): void {
    if (this.isKept(step)) this.instances.add(step * STEP_MS, service, instanceId, calls);
  }

  close(): void {
    for (const unsubscribe of this.subscriptions.splice(0)) unsubscribe();
    this.timer?.cancel();
    this.timer = undefined;
  }

  private isKept(step: number): boolean {
    const now = this.stepNow();
    return step <= now + LAST_MINUTE_STEPS && step > now - STEPS;
  }

  /** @param only the callee; left out: all of them */
  private sumUpLastMinute(only?: string): { readonly seconds: number; readonly sums: EdgeSum[] } {
    this.endStep();
    const first = this.stepNow() - LAST_MINUTE_STEPS + 1;
    const sums = new Map<string, EdgeSum>();
    for (const [key, ring] of this.rings) {
      if (only !== undefined && ring.service !== only) continue;
      const figures = noFigures();
      ring.sumUp(first, figures);
      sums.set(key, { caller: ring.caller, service: ring.service, figures });
    }
    const caller = this.caller();
    for (const [service, figures] of this.present) {
      if (only !== undefined && service !== only) continue;
      const key = edgeKey(caller, service);
      const sum = sums.get(key) ?? { caller, service, figures: noFigures() };
      sums.set(key, sum);
      addUp({ ...figures, queued: this.queued(service) }, sum.figures);
    }
    return { seconds: (this.clock.epoch() - first * STEP_MS) / 1_000, sums: [...sums.values()] };
  }

  private forgetOldEdges(): boolean {
    const hourAgo = this.stepNow() - STEPS;
    for (const [key, { lastStep }] of this.rings) if (lastStep <= hourAgo) this.rings.delete(key);
    return this.rings.size < MAX_EDGES;
  }

  private count(service: string, name: keyof CallCounts): void {
    const figures = this.of(service);
    if (figures) figures[name]++;
  }

  /** Undefined for names that may be made up, and beyond the greatest number of callees. */
  private of(service: string, code?: string): OwnStep | undefined {
    const known = this.present.get(service);
    if (known) return known;
    if (code === 'SERVICE_NOT_FOUND' || this.present.size >= MAX_CALLEES) return undefined;
    if (this.present.size === 0) this.beginStep();
    const figures = { ...noFigures(), instances: new Map<string, InstanceCalls>() };
    this.present.set(service, figures);
    return figures;
  }

  /** Undefined beyond the greatest number of instances. */
  private instanceOf({ instances }: OwnStep, instanceId: string): InstanceCalls | undefined {
    const known = instances.get(instanceId);
    if (known || this.presentInstances >= MAX_INSTANCES) return known;
    const calls = noCalls();
    instances.set(instanceId, calls);
    this.presentInstances++;
    return calls;
  }

  /** A timer for each step with calls, none for a process at rest. */
  private beginStep(): void {
    this.presentStep = this.stepNow();
    this.arm();
  }

  private arm(): void {
    const restMs = Math.max(1, (this.presentStep + 1) * STEP_MS - this.clock.epoch());
    this.timer = this.clock.setTimer(
      () => {
        this.timer = undefined;
        this.endStep();
        // A timer may fire a moment before the wall clock says so.
        if (this.present.size > 0) this.arm();
      },
      restMs,
      { keepAlive: false },
    );
  }

  private endStep(): void {
    if (this.present.size === 0 || this.stepNow() <= this.presentStep) return;
    this.timer?.cancel();
    this.timer = undefined;
    const caller = this.caller();
    for (const [service, figures] of this.present) figures.queued = this.queued(service);
    for (const [service, figures] of this.present) {
      this.add(this.presentStep, caller, service, figures);
      for (const [id, calls] of figures.instances) this.addInstance(this.presentStep, service, id, calls);
    }
    for (const listener of this.listeners) listener(this.presentStep, this.present);
    this.present.clear();
    this.presentInstances = 0;
  }

  private stepNow(): number {
    return Math.floor(this.clock.epoch() / STEP_MS);
  }
}

export function noFigures(): StepFigures {
  return {
    calls: 0,
    errors: 0,
    retries: 0,
    hedges: 0,
    shed: 0,
    queued: 0,
    latencies: new Uint32Array(LATENCY_BUCKETS),
  };
}

function addUp(figures: StepFigures, into: StepFigures): void {
  for (const name of CALL_COUNTS) into[name] += figures[name];
  mergeInto(into.latencies, figures.latencies);
}

function percentilesOf(latencies: Uint32Array): Percentiles {
  const [p50, p95, p99] = PERCENTILES.map((share) => percentileOf(latencies, share));
  return { p50: p50!, p95: p95!, p99: p99! };
}

function orNull(value: number): number | null {
  return Number.isNaN(value) ? null : Number(value.toPrecision(3));
}

/** Names of services contain no line feed. */
function edgeKey(caller: string, service: string): string {
  return `${caller}\n${service}`;
}
