import { isPlainObject } from '../common/index.js';
import { INSTANCE_ID_PATTERN, isServiceName } from './field-checks.js';
import { type JournalEntry, JOURNAL_SEVERITIES } from './journal-entry.js';

/** What a process tells those that show its calls and its part of the journal, as JSON. */
export interface ProcessReport {
  /** Readers ignore reports of other versions. */
  readonly version: 1;
  /** A random text by which the process knows its own reports. */
  readonly reporter: string;
  /** `host:pid`. */
  readonly process: string;
  /** The service that the process registered first, as which its calls are shown; null: none. */
  readonly service_name: string | null;
  readonly steps: readonly ReportedStep[];
  /** What it alone saw or did, the oldest first; over Redis they are in a stream of their own. */
  readonly entries: readonly JournalEntry[];
  /** Entries that were dropped since the last report, because too many waited. */
  readonly dropped?: number;
}

/** The calls of one step of 10 s. */
export interface ReportedStep {
  /** The number of the step since the Unix epoch. */
  readonly step: number;
  readonly calls: readonly ReportedCalls[];
  /** Those that waited the longest for a report; the others follow with later steps. */
  readonly instances?: readonly ReportedInstance[];
}

/** What ended at one instance since it was last reported. */
export interface ReportedInstance extends Pick<ReportedCalls, 'service_name' | 'calls' | 'errors' | 'latencies'> {
  readonly instance_id: string;
}

/** The calls to one service within a step. Counts of 0 are left out. */
export interface ReportedCalls {
  readonly service_name: string;
  readonly calls?: number;
  readonly errors?: number;
  readonly retries?: number;
  readonly hedges?: number;
  readonly shed?: number;
  /** How many waited for a slot of a bulkhead or of the adaptive concurrency limit when the step ended. */
  readonly queued?: number;
  /** Numbers of buckets, each followed by how many calls were in it; see docs/observability.md. */
  readonly latencies: readonly number[];
  /** Attempts at the parts of its split, since the last report. */
  readonly parts?: readonly ReportedPart[];
}

/** Attempts at one part of a split. */
export interface ReportedPart {
  /** A `SplitPart`; readers leave out others. */
  readonly part: string;
  readonly attempts: number;
  readonly errors: number;
  /** As those of calls. */
  readonly latencies: readonly number[];
}

/** Bounds of a report. */
export const REPORT_LIMITS = {
  steps: 6,
  callees: 20,
  instances: 6,
  entries: 50,
  entryBytes: 4_096,
  buckets: 82,
  parts: 8,
} as const;

/** What is counted of the calls of a step. */
export const CALL_COUNTS = ['calls', 'errors', 'retries', 'hedges', 'shed', 'queued'] as const;

/** Whether something that another process sent is a report of this version, within its bounds. */
export function isProcessReport(value: unknown): value is ProcessReport {
  if (!isPlainObject(value)) return false;
  const { version, reporter, process, service_name: service, steps, entries, dropped } = value;
  return (
    version === 1 &&
    isTextUpTo(reporter, 64) &&
    isTextUpTo(process, 256) &&
    (service === null || isServiceName(service)) &&
    areReportedSteps(steps) &&
    areReportedEntries(entries) &&
    (dropped === undefined || isCount(dropped))
  );
}

export function areReportedSteps(value: unknown): value is ReportedStep[] {
  return isListUpTo(value, REPORT_LIMITS.steps) && value.every(isStep);
}

export function areReportedEntries(value: unknown): value is JournalEntry[] {
  return isListUpTo(value, REPORT_LIMITS.entries) && value.every(isJournalEntry);
}

/** Whether something that another process sent is an entry of the journal, of a bounded size. */
export function isJournalEntry(value: unknown): value is JournalEntry {
  if (!isPlainObject(value)) return false;
  const { id, at, type, severity, service_name: service, instance_id: instance, process, caller, data } = value;
  return (
    typeof id === 'string' &&
    /^\d{15}-[\da-z-]{1,64}$/.test(id) &&
    typeof at === 'string' &&
    !Number.isNaN(Date.parse(at)) &&
    typeof type === 'string' &&
    /^[a-z._]{1,64}$/.test(type) &&
    JOURNAL_SEVERITIES.includes(severity as never) &&
    (service === null || isServiceName(service)) &&
    (instance === null || isInstanceId(instance)) &&
    (caller === null || isServiceName(caller)) &&
    (process === null || isTextUpTo(process, 256)) &&
    [value.text, value.by ?? '', value.reason ?? ''].every((text) => typeof text === 'string') &&
    isPlainObject(data) &&
    Buffer.byteLength(JSON.stringify(value)) <= REPORT_LIMITS.entryBytes
  );
}

function isStep(value: unknown): value is ReportedStep {
  if (!isPlainObject(value)) return false;
  const { step, calls, instances = [] } = value;
  return (
    isCount(step) &&
    isListUpTo(calls, REPORT_LIMITS.callees) &&
    calls.every(isCalls) &&
    isListUpTo(instances, REPORT_LIMITS.instances) &&
    instances.every((given) => isCalls(given) && isInstanceId(given.instance_id))
  );
}

function isInstanceId(value: unknown): boolean {
  return typeof value === 'string' && INSTANCE_ID_PATTERN.test(value);
}

function isCalls(value: unknown): value is ReportedCalls & Readonly<Record<string, unknown>> {
  if (!isPlainObject(value)) return false;
  const { service_name: service, latencies, parts = [] } = value;
  return (
    isServiceName(service) &&
    CALL_COUNTS.every((name) => value[name] === undefined || isCount(value[name])) &&
    areLatencies(latencies) &&
    isListUpTo(parts, REPORT_LIMITS.parts) &&
    parts.every(isPart)
  );
}

function isPart(value: unknown): boolean {
  if (!isPlainObject(value)) return false;
  const { part, attempts, errors, latencies } = value;
  return isTextUpTo(part, 16) && isCount(attempts) && isCount(errors) && areLatencies(latencies);
}

function areLatencies(value: unknown): boolean {
  return (
    isListUpTo(value, 2 * REPORT_LIMITS.buckets) &&
    value.length % 2 === 0 &&
    value.every((given, index) => isCount(given) && (index % 2 === 1 || given < REPORT_LIMITS.buckets))
  );
}

function isListUpTo(value: unknown, most: number): value is unknown[] {
  return Array.isArray(value) && value.length <= most;
}

function isTextUpTo(value: unknown, most: number): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= most;
}

/** Sums of a fleet stay exact. */
function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < 1e12;
}
