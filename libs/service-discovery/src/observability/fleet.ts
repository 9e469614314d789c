import { type Clock, type Random, RegistryUnavailableError, type Timer } from '../common/index.js';
import {
  CALL_COUNTS,
  isJournalEntry,
  isProcessReport,
  keyOf,
  type ProcessReport,
  REPORT_LIMITS,
  type ReportedCalls,
  type ReportedInstance,
  type ReportedStep,
} from '../model/index.js';
import { type ReportChannel, type ReportEntry } from '../store/index.js';
import { type CallFigures, noFigures, type OwnStep, STEP_MS, type StepFigures } from './call-figures.js';
import { addCalls, type InstanceCalls, MAX_INSTANCES } from './instance-figures.js';
import { type Journal, type JournalWriter } from './journal.js';
import { addReportedLatencies, toReportedLatencies } from './latency-histogram.js';
import { type SplitFigures } from './split-figures.js';

/** Entries that wait to be reported; the oldest are dropped. */
const MAX_WAITING = 200;
/** Entries are gathered for half of this time to all of it, so that a process reports about once a second at most. */
const GATHER_MS = 1_000;
const RETRY_MS = 10_000;
/** After a refusal, which only a change of rights or another version of the registry ends. */
const RETRY_REFUSED_MS = 600_000;
/** How often entries of other processes are asked for while someone reads the stream. */
const FOLLOW_MS = 1_000;
/** How often attempts at the new version of a rollout are reported, which must not fail for a whole step. */
const CANARY_MS = 2_000;

interface WaitingInstance {
  readonly service: string;
  readonly instanceId: string;
  readonly figures: InstanceCalls;
}

interface FleetDeps {
  readonly journal: Journal;
  readonly figures: CallFigures;
  readonly splits: SplitFigures;
  /** Undefined: there is none to report to, and reports come by {@link Fleet.accept}. */
  readonly channel?: ReportChannel;
  /** Whether this process reports. */
  readonly reports: boolean;
  readonly writer: JournalWriter;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * The journal and the call figures across processes: reports what this process alone knows, at the end of each step with
 * calls and soon after an entry, and takes up what others report. What cannot be sent waits, bounded; what is dropped is
 * counted.
 */
export class Fleet {
  private waiting: ReportEntry[] = [];
  private steps: ReportedStep[] = [];
  /** What was not reported yet, those that wait the longest first. */
  private readonly instances = new Map<string, WaitingInstance>();
  private instanceTimer: Timer | undefined;
  private dropped = 0;
  private timer: Timer | undefined;
  private isSending = false;
  private reading: Promise<void> | undefined;
  private followers = 0;
  private followTimer: Timer | undefined;
  private readonly canaries = new Set<string>();
  private canaryTimer: Timer | undefined;
  private closed = false;
  private readonly stops: (() => void)[] = [];

  constructor(private readonly deps: FleetDeps) {
    const { journal, figures, splits, channel, reports } = deps;
    if (!channel || !reports) return;
    const takesShared = channel.readReports !== undefined;
    this.stops.push(
      journal.onOwn((entry, key) => {
        if (key !== undefined && !takesShared) return;
        this.waiting.push({ entry, key });
        if (this.waiting.length > MAX_WAITING) {
          this.waiting.shift();
          this.dropped++;
        }
        this.sendIn(GATHER_MS);
      }),
      figures.onStep((step, calls) => {
        this.noteInstances(calls);
        this.reportStep(step, toReportedCalls(calls, splits));
      }),
      splits.onCanary((service) => {
        this.canaries.add(service);
        this.canaryTimer ??= deps.clock.setTimer(() => this.reportCanaries(), CANARY_MS, { keepAlive: false });
      }),
    );
  }

  /** Takes up a report of another process. Its entries get ids of this process, so that none is in the future. */
  accept(report: ProcessReport): void {
    this.addCalls(report);
    const { process, service_name: caller } = report;
    for (const entry of report.entries) this.deps.journal.adopt({ ...entry, process, caller });
  }

  /** Takes up what other processes have reported, where they do so through a common store; never rejects. */
  catchUp(): Promise<void> {
    const { channel } = this.deps;
    if (!channel?.readReports || this.closed) return Promise.resolve();
    this.reading ??= this.read(channel.readReports.bind(channel)).finally(() => (this.reading = undefined));
    return this.reading;
  }

  /** Keeps taking up what other processes report until the returned function is called. */
  follow(): () => void {
    this.followers++;
    this.followSoon();
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      if (--this.followers > 0) return;
      this.followTimer?.cancel();
      this.followTimer = undefined;
    };
  }

  close(): void {
    this.closed = true;
    for (const stop of this.stops) stop();
    this.timer?.cancel();
    this.instanceTimer?.cancel();
    this.followTimer?.cancel();
    this.canaryTimer?.cancel();
  }

  private reportCanaries(): void {
    const { splits, clock } = this.deps;
    this.canaryTimer = undefined;
    const calls = [...this.canaries].flatMap((service): ReportedCalls[] => {
      const parts = splits.takeReport(service);
      return parts ? [{ service_name: service, latencies: [], parts }] : [];
    });
    this.canaries.clear();
    if (calls.length > 0) this.reportStep(Math.floor(clock.epoch() / STEP_MS), calls);
  }

  private noteInstances(calls: ReadonlyMap<string, OwnStep>): void {
    for (const [service, { instances }] of calls) {
      for (const [instanceId, figures] of instances) {
        const key = keyOf({ serviceName: service, instanceId });
        const known = this.instances.get(key);
        if (known) addCalls(known.figures, figures);
        else if (this.instances.size < MAX_INSTANCES) this.instances.set(key, { service, instanceId, figures });
      }
    }
  }

  private reportStep(step: number, calls: ReportedCalls[]): void {
    const instances = [...this.instances].slice(0, REPORT_LIMITS.instances);
    for (const [key] of instances) this.instances.delete(key);
    const reported = instances.map(([, waiting]) => toReportedInstance(waiting));
    this.steps.push({ step, calls, ...(reported.length > 0 && { instances: reported }) });
    if (this.steps.length > REPORT_LIMITS.steps) this.steps.shift();
    this.sendIn(GATHER_MS);
    this.instanceTimer?.cancel();
    this.instanceTimer = undefined;
    if (this.instances.size === 0) return;
    // The next step with calls may be far away.
    this.instanceTimer = this.deps.clock.setTimer(() => this.reportStep(step, []), STEP_MS + GATHER_MS, {
      keepAlive: false,
    });
  }

  private followSoon(): void {
    if (this.closed || this.followers === 0) return;
    this.followTimer ??= this.deps.clock.setTimer(
      () => {
        this.followTimer = undefined;
        void this.catchUp().then(() => this.followSoon());
      },
      FOLLOW_MS,
      { keepAlive: false },
    );
  }

  private async read(readReports: NonNullable<ReportChannel['readReports']>): Promise<void> {
    try {
      const { reports, entries } = await readReports();
      for (const entry of entries) if (isJournalEntry(entry)) this.deps.journal.add(entry);
      for (const report of reports) {
        if (isProcessReport(report) && report.reporter !== this.deps.writer.tag) this.addCalls(report);
      }
    } catch {
      // What this process knows itself is shown; the registry's state says that the store is away.
    }
  }

  private addCalls({ process, service_name: service, steps }: ProcessReport): void {
    const { figures, splits } = this.deps;
    for (const { step, calls, instances = [] } of steps) {
      for (const call of calls) {
        if (call.parts) splits.add(call.service_name, call.parts, (step + 1) * STEP_MS);
        figures.add(step, service ?? process, call.service_name, toFigures(call));
      }
      for (const instance of instances)
        figures.addInstance(step, instance.service_name, instance.instance_id, toFigures(instance));
    }
  }

  private sendIn(ms: number): void {
    if (this.timer || this.isSending || this.closed) return;
    const { clock, random } = this.deps;
    this.timer = clock.setTimer(
      () => {
        this.timer = undefined;
        void this.send();
      },
      ms * (0.5 + random() / 2),
      { keepAlive: false },
    );
  }

  private async send(): Promise<void> {
    const { channel, writer, journal } = this.deps;
    const service = writer.service() ?? null;
    const isNameless = service === null && channel?.readReports === undefined;
    // Another process shows reports of services alone; what waits is bounded.
    if (!channel || isNameless) return;
    const entries = this.waiting.splice(0, REPORT_LIMITS.entries);
    const steps = this.steps.splice(0);
    const { dropped } = this;
    this.dropped = 0;
    this.isSending = true;
    let pauseMs = GATHER_MS;
    try {
      const report: ProcessReport = {
        version: 1,
        reporter: writer.tag,
        process: writer.process,
        service_name: service,
        steps,
        entries: entries.map(({ entry }) => entry),
        ...(dropped > 0 && { dropped }),
      };
      await channel.sendReport(report, entries, journal.maxEntries);
    } catch (error) {
      pauseMs = error instanceof RegistryUnavailableError ? RETRY_MS : RETRY_REFUSED_MS;
      this.putBack(entries, steps, dropped);
    }
    this.isSending = false;
    if (this.waiting.length > 0 || this.steps.length > 0) this.sendIn(pauseMs);
  }

  private putBack(entries: readonly ReportEntry[], steps: readonly ReportedStep[], dropped: number): void {
    const waiting = [...entries, ...this.waiting];
    this.waiting = waiting.slice(-MAX_WAITING);
    this.dropped += dropped + waiting.length - this.waiting.length;
    this.steps = [...steps, ...this.steps].slice(-REPORT_LIMITS.steps);
  }
}

/** Those that were called most. */
function toReportedCalls(calls: ReadonlyMap<string, StepFigures>, splits: SplitFigures): ReportedCalls[] {
  return [...calls]
    .sort(([, one], [, other]) => other.calls - one.calls)
    .slice(0, REPORT_LIMITS.callees)
    .map(([service, figures]) => {
      const parts = splits.takeReport(service);
      return { service_name: service, ...toReported(figures), ...(parts && { parts }) };
    });
}

function toReportedInstance({ service, instanceId, figures }: WaitingInstance): ReportedInstance {
  return { service_name: service, instance_id: instanceId, ...toReported(figures) };
}

/** Counts of 0 are left out. */
function toReported(figures: Partial<StepFigures> & InstanceCalls): Omit<ReportedCalls, 'service_name'> {
  const counts = CALL_COUNTS.filter((name) => (figures[name] ?? 0) > 0).map((name) => [name, figures[name]] as const);
  return { ...Object.fromEntries(counts), latencies: toReportedLatencies(figures.latencies) };
}

function toFigures({ latencies, ...counts }: Omit<ReportedCalls, 'service_name' | 'parts'>): StepFigures {
  const figures = noFigures();
  for (const name of CALL_COUNTS) figures[name] = counts[name] ?? 0;
  addReportedLatencies(figures.latencies, latencies);
  return figures;
}
