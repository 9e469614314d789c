import { type Clock, count, OptionGroup, type OptionsOf, snakeCase, type Timer } from '../common/index.js';
import { type EventName, type JournalEntry, type JournalSeverity, type ServiceDiscoveryEvent } from '../model/index.js';
import { type EventBus } from './event-bus.js';
import { lineOf, type LogLevel } from './event-line.js';
import { subjectOf } from './event-subject.js';

/** How much of the journal is kept. */
export const JOURNAL_OPTIONS = new OptionGroup('journal', {
  /** How many entries are kept: 1 to 100,000. @default 2000 */
  maxEntries: count({ default: 2_000, min: 1, max: 100_000 }),
  /** How large the entries may be together, as JSON in bytes: 16 KiB to 256 MiB. @default 2 MiB */
  maxBytes: count({ default: 2_097_152, min: 16_384, max: 268_435_456 }),
});

export interface JournalOptions extends Partial<OptionsOf<typeof JOURNAL_OPTIONS>> {}

/** Which entries a reader wants. */
interface JournalQuery {
  readonly service?: string;
  readonly type?: string;
  /** Entries after this id. */
  readonly after?: string;
  /** Entries before this id. */
  readonly before?: string;
  readonly limit?: number;
  /** @default all */
  readonly isShown?: (entry: JournalEntry) => boolean;
}

/** Which process writes the entries. */
export interface JournalWriter {
  /** `host:pid`. */
  readonly process: string;
  /** The service that the process registered first. */
  readonly service: () => string | undefined;
  /** A short text that no other process has, which keeps ids of one moment apart. */
  readonly tag: string;
}

/**
 * What enters the journal, and how.
 * - `shared`: a change of the registry, which every process that follows the service sees
 * - `own`: what this process alone sees or does
 * - `repeated`: the same, which may come with every call or request; repeats within a minute are one entry
 */
const JOURNALED: Readonly<Partial<Record<EventName, 'shared' | 'own' | 'repeated'>>> = {
  'instance.registered': 'shared',
  'instance.deregistered': 'shared',
  'instance.expired': 'shared',
  'instance.status_changed': 'shared',
  'instance.flapping': 'shared',
  'instance.settled': 'shared',
  'expiry.held': 'shared',
  'expiry.resumed': 'shared',
  'instance.ejected': 'own',
  'instance.readmitted': 'own',
  'instance.unreachable': 'own',
  'instance.reached': 'own',
  'instance.loopback': 'repeated',
  'lease.recovered': 'own',
  'registry.unavailable': 'own',
  'registry.available': 'own',
  'registry.writes_refused': 'own',
  'registry.writes_accepted': 'own',
  'registry.trouble': 'repeated',
  'registry.offline': 'own',
  'registry.reconciled': 'own',
  'api.limit_reached': 'repeated',
  'api.refused': 'repeated',
  'operator.acted': 'own',
  'rollout.moved': 'own',
  'rollout.taken_over': 'own',
  'circuit.opened': 'own',
  'circuit.half_opened': 'own',
  'circuit.closed': 'own',
  'balancing.panic': 'own',
  'balancing.panic_ended': 'own',
  'balancing.fail_open': 'own',
  'balancing.fail_open_ended': 'own',
  'call.refused': 'repeated',
  'call.answered_stale': 'repeated',
  'call.completed': 'repeated',
  'tls.rotated': 'own',
  'tls.rotation_failed': 'repeated',
  'tls.expiring': 'repeated',
};

const REPEATS_MS = 60_000;
/** Subjects whose repeats are counted apart; further ones of a type are counted together. */
const MAX_REPEATED = 1_000;

const SEVERITIES: Readonly<Record<LogLevel, JournalSeverity>> = {
  debug: 'info',
  log: 'info',
  warn: 'warning',
  error: 'error',
};

interface Repeats {
  event: ServiceDiscoveryEvent;
  count: number;
}

interface Kept {
  readonly entry: JournalEntry;
  readonly bytes: number;
}

/** Called with each entry that this process writes; `key` is the same in all processes that write one for the same change. */
type OwnEntryListener = (entry: JournalEntry, key: string | undefined) => void;

/** Two entries with one key within this time are about one change, which two processes report. */
const SAME_CHANGE_MS = 10_000;

/**
 * The last events that a person would want to read of, bounded in number and bytes: changes of state, what operators do,
 * faults. Calls that fail enter it once a minute for each service and cause, with their number; what calls do otherwise is in
 * {@link CallFigures}.
 */
export class Journal {
  private readonly options: Required<JournalOptions>;
  /** By id, in the order in which they came. */
  private readonly kept = new Map<string, Kept>();
  private bytes = 0;
  /** When the last change of each key was, of those that are kept. */
  private readonly changes = new Map<string, number>();
  private readonly ownListeners = new Set<OwnEntryListener>();
  private readonly listeners = new Set<(entry: JournalEntry) => void>();
  private readonly subscriptions: (() => void)[] = [];
  private readonly repeats = new Map<string, Repeats>();
  private timer: Timer | undefined;
  private lastMs = 0;
  private sequence = 0;

  /**
   * @param options false: nothing enters it
   * @throws InvalidConfigurationError naming every wrong option
   */
  constructor(
    bus: EventBus,
    private readonly writer: JournalWriter,
    options: JournalOptions | false,
    private readonly clock: Clock,
  ) {
    this.options = JOURNAL_OPTIONS.resolve(options || {});
    if (options === false) return;
    for (const [type, kind] of Object.entries(JOURNALED) as [EventName, 'shared' | 'own' | 'repeated'][]) {
      const listener = kind === 'repeated' ? this.noteRepeated : this.note;
      this.subscriptions.push(bus.on(type, listener));
    }
  }

  /** The entries that a query selects, the newest first. */
  read({ service, type, after = '', before, limit = Infinity, isShown = () => true }: JournalQuery): JournalEntry[] {
    const wanted: JournalEntry[] = [];
    for (const { entry } of this.kept.values()) {
      if (entry.id <= after || (before !== undefined && entry.id >= before)) continue;
      if (service !== undefined && entry.service_name !== service) continue;
      if (type !== undefined && entry.type !== type) continue;
      if (isShown(entry)) wanted.push(entry);
    }
    // Those of other processes may arrive late.
    return wanted.sort((one, other) => (one.id < other.id ? 1 : -1)).slice(0, limit);
  }

  /**
   * Calls `listener` for each entry from now on.
   * @returns removes the listener
   */
  onEntry(listener: (entry: JournalEntry) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /**
   * Calls `listener` for each entry that this process writes from now on.
   * @returns removes the listener
   */
  onOwn(listener: OwnEntryListener): () => void {
    this.ownListeners.add(listener);
    return () => this.ownListeners.delete(listener);
  }

  /** How many entries are kept at most. */
  get maxEntries(): number {
    return this.options.maxEntries;
  }

  /** Takes up an entry of another process, unless it is known, or is about a change that this process has written. */
  add(entry: JournalEntry): void {
    if (this.kept.has(entry.id)) return;
    const key = changeKey(entry);
    const at = Date.parse(entry.at);
    const known = key === undefined ? undefined : this.changes.get(key);
    if (known !== undefined && Math.abs(at - known) < SAME_CHANGE_MS) return;
    if (key !== undefined) this.changes.set(key, at);
    this.keep(entry);
  }

  /** Takes up an entry of a process whose clock and ids are not to be trusted: it gets an id of now. */
  adopt(entry: JournalEntry): void {
    this.keep({ ...entry, id: this.idAt(this.clock.epoch()) });
  }

  /** Stops taking up events, after writing the counts of repeats. */
  close(): void {
    for (const unsubscribe of this.subscriptions.splice(0)) unsubscribe();
    this.writeRepeats();
    this.timer?.cancel();
    this.timer = undefined;
    this.listeners.clear();
    this.ownListeners.clear();
  }

  private readonly note = (event: ServiceDiscoveryEvent): void => {
    this.write(this.entryOf(event));
  };

  private readonly noteRepeated = (event: ServiceDiscoveryEvent): void => {
    if (event.type === 'call.completed' && event.ok) return;
    let subject = `${event.type} ${subjectOf(event)}`;
    if (!this.repeats.has(subject) && this.repeats.size >= MAX_REPEATED) subject = event.type;
    const known = this.repeats.get(subject);
    if (known) {
      known.event = event;
      known.count++;
      return;
    }
    this.repeats.set(subject, { event, count: 0 });
    this.note(event);
    this.timer ??= this.clock.setTimer(() => this.endMinute(), REPEATS_MS, { keepAlive: false });
  };

  /** What goes on for more than a minute has one entry a minute, and a timer only while it goes on. */
  private endMinute(): void {
    this.timer = undefined;
    if (this.writeRepeats() > 0) {
      this.timer = this.clock.setTimer(() => this.endMinute(), REPEATS_MS, { keepAlive: false });
    }
  }

  /** @returns how many subjects went on */
  private writeRepeats(): number {
    for (const [subject, repeats] of this.repeats) {
      const { event, count } = repeats;
      repeats.count = 0;
      if (count === 0) this.repeats.delete(subject);
      else this.write(this.entryOf(event, count));
    }
    return this.repeats.size;
  }

  private entryOf(event: ServiceDiscoveryEvent, repeats = 0): JournalEntry {
    const { level, message, fields } = lineOf(event);
    const {
      service = null,
      instance = null,
      by = null,
      reason = null,
    } = fields as Readonly<Record<string, string | null | undefined>>;
    const { event: _, service: _service, instance: _instance, ...others } = fields;
    const data = Object.fromEntries(Object.entries(others).map(([name, value]) => [snakeCase(name), value]));
    return {
      id: this.idAt(event.at),
      at: new Date(event.at).toISOString(),
      type: event.type,
      severity: SEVERITIES[level],
      service_name: service,
      instance_id: instance,
      process: this.writer.process,
      caller: this.writer.service() ?? null,
      text: repeats > 0 ? `${message} (${repeats} more like this within a minute)` : message,
      by,
      reason,
      data: repeats > 0 ? { ...data, repeats } : data,
    };
  }

  /** Grows, also where the clock is set back. */
  private idAt(epochMs: number): string {
    this.sequence = epochMs > this.lastMs ? 0 : this.sequence + 1;
    this.lastMs = Math.max(this.lastMs, epochMs);
    return `${momentId(this.lastMs)}-${String(this.sequence).padStart(6, '0')}-${this.writer.tag}`;
  }

  private write(entry: JournalEntry): void {
    const key = changeKey(entry);
    if (key !== undefined) this.changes.set(key, Date.parse(entry.at));
    this.keep(entry);
    for (const listener of this.ownListeners) listener(entry, key);
  }

  private keep(entry: JournalEntry): void {
    const bytes = Buffer.byteLength(JSON.stringify(entry));
    this.kept.set(entry.id, { entry, bytes });
    this.bytes += bytes;
    const { maxEntries, maxBytes } = this.options;
    for (const [id, { entry: oldest, bytes: its }] of this.kept) {
      if (this.kept.size <= maxEntries && this.bytes <= maxBytes) break;
      this.kept.delete(id);
      this.bytes -= its;
      const key = changeKey(oldest);
      if (key !== undefined && this.changes.get(key) === Date.parse(oldest.at)) this.changes.delete(key);
    }
    for (const listener of this.listeners) listener(entry);
  }
}

/** Undefined for what only the process knows that writes it. */
function changeKey({ type, service_name: service, instance_id: instance, data }: JournalEntry): string | undefined {
  if (JOURNALED[type as EventName] !== 'shared') return undefined;
  return `${type} ${service} ${instance} ${JSON.stringify(data.to ?? data.generation)}`;
}

/** What ids of entries from this moment on are greater than, in milliseconds since the Unix epoch. */
export function momentId(epochMs: number): string {
  return String(Math.max(0, Math.floor(epochMs))).padStart(15, '0');
}
