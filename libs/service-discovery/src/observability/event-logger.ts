import {
  boolean,
  type Clock,
  count,
  counted,
  custom,
  duration,
  OptionGroup,
  type OptionsOf,
  type Timer,
} from '../common/index.js';
import { type EventName, type InstanceKey, type ServiceDiscoveryEvent } from '../model/index.js';
import { type EventBus } from './event-bus.js';
import { lineOf, type LogLevel, withIds } from './event-line.js';
import { ExpiryBursts } from './expiry-bursts.js';
import { EVENT_TYPES, stateOf, stateGroupOf, subjectOf } from './event-subject.js';

/** Left out unless they are given a level. */
const OF_EACH_ATTEMPT: ReadonlySet<string> = new Set(['call.picked', 'call.split'] satisfies EventName[]);

/**
 * Where lines are written, with one method per level, so that Nest's logger, pino or the console are easily adapted.
 * `fields` is empty if `EventLoggerOptions.fields` is false.
 */
export type LoggerPort = Record<LogLevel, (message: string, fields: Record<string, unknown>) => void>;

const LEVELS = ['debug', 'log', 'warn', 'error', false] as const satisfies readonly (LogLevel | false)[];

/** How events become log lines. */
export const EVENT_LOGGER_OPTIONS = new OptionGroup('logging', {
  /**
   * Repeats of a line within this time are counted, and the count is written at its end. A change of state, such as an
   * instance that is healthy again, is written at once, up to ten times within this time; further ones are counted too.
   * 1 s to 1 day.
   * @default '60s'
   */
  repeatWindow: duration({ default: '60s', minMs: 1_000, maxMs: 86_400_000 }),
  /**
   * How many different lines are distinguished within a window, 1 to 100,000. Beyond that, all further lines of one
   * event type count as repeats of each other.
   * @default 1000
   */
  maxLines: count({ default: 1_000, min: 1, max: 100_000 }),
  /**
   * The level of an event type, or `false` to leave it out. Picks are logged only if they have a level here, such as
   * `{ 'call.picked': 'debug' }`.
   * @default the levels of `lineOf`, and false for `call.picked`
   */
  levels: custom<Levels>({
    default: {},
    range: '`debug`, `log`, `warn`, `error` or `false`, by event',
    read: (value, path, check) => {
      const levels = check.options<Levels>(path, value as Levels, {}, EVENT_TYPES);
      for (const [type, level] of Object.entries(levels)) check.oneOf(`${path}.${type}`, level, LEVELS);
      return levels;
    },
  }),
  /**
   * Whether to pass the fields of a line to the logger in addition to its message, for logs read by machines.
   * @default true; in a Nest app, false while Nest's own logger, or one derived from it, writes text: they would say the same
   */
  fields: boolean({ default: true }),
});

type Levels = Partial<Record<EventName, LogLevel | false>>;

export interface EventLoggerOptions extends Partial<OptionsOf<typeof EVENT_LOGGER_OPTIONS>> {}

/** The repeats of one line within a time window. */
interface Window {
  readonly subject: string;
  /** The windows of the same event type, or of the same kind of state, by subject. */
  readonly siblings: Map<string, Window>;
  endsAt: number;
  /** The latest event. */
  event: ServiceDiscoveryEvent;
  /** Whether it is about an instance of another process. */
  isRemote: boolean;
  repeats: number;
  /** The state in the last line written. */
  state: string;
  /** How many changes of state were written, in this window and those that it continues. */
  changes: number;
}

/** Results of this process's own calls, which no other process logs. */
const LOCAL_EVENTS: ReadonlySet<EventName> = new Set<EventName>([
  'instance.ejected',
  'instance.readmitted',
  'instance.unreachable',
  'instance.reached',
  'instance.loopback',
]);

/** How many changes of state of one subject are written within a window. */
const MAX_CHANGES = 10;

/**
 * Writes one structured line per event, and counts repeats. `call.picked` is logged only on request. Most events are
 * repeats, such as successful calls; each only replaces the one before, and is formatted only when it is written.
 */
export class EventLogger {
  private readonly clock: Clock;
  private readonly levels: Levels;
  private readonly windowMs: number;
  private readonly withFields: boolean;
  private readonly maxLines: number;
  /** In order of `endsAt`, which is the order of insertion since all windows have the same length. */
  private readonly windows = new Set<Window>();
  private readonly subscriptions: (() => void)[] = [];
  private timer: Timer | undefined;
  private readonly expiries: ExpiryBursts;

  /**
   * @param deps.isOwn whether an instance belongs to this process. Events of other instances are logged at `debug`
   *   instead of `log`; otherwise each of a thousand processes would log every deployment. @default all are its own
   * @throws InvalidConfigurationError naming every wrong option
   */
  constructor(
    bus: EventBus,
    private readonly logger: LoggerPort,
    options: EventLoggerOptions,
    private readonly deps: { readonly clock: Clock; readonly isOwn?: (key: InstanceKey) => boolean },
  ) {
    const settings = EVENT_LOGGER_OPTIONS.resolve(options);
    this.clock = deps.clock;
    this.levels = settings.levels;
    this.maxLines = settings.maxLines;
    this.windowMs = settings.repeatWindow;
    this.withFields = settings.fields;
    this.expiries = new ExpiryBursts(this.clock, (service, count) => this.writeExpiries(service, count));
    const groups = new Map<readonly EventName[], Map<string, Window>>();
    for (const type of EVENT_TYPES) {
      // Not subscribed: a listener would add to the cost of every call.
      if (this.levels[type] === false || (OF_EACH_ATTEMPT.has(type) && this.levels[type] === undefined)) continue;
      const group = stateGroupOf(type);
      const siblings = (group && groups.get(group)) ?? new Map<string, Window>();
      if (group) groups.set(group, siblings);
      this.listen(bus, type, siblings, group !== undefined);
    }
  }

  /** Stops logging, after writing the pending counts of repeats. */
  close(): void {
    for (const unsubscribe of this.subscriptions.splice(0)) unsubscribe();
    this.timer?.cancel();
    this.timer = undefined;
    for (const window of this.windows) if (window.repeats > 0) this.write(window);
    this.windows.clear();
    this.expiries.close();
  }

  private listen(bus: EventBus, type: EventName, siblings: Map<string, Window>, isState: boolean): void {
    // Counts as the subject of all events of the type when there are too many subjects.
    const anySubject = ` ${type}`;
    const onEvent = (event: ServiceDiscoveryEvent): void => {
      let subject = subjectOf(event);
      let window = siblings.get(subject);
      if (!window && this.windows.size >= this.maxLines) window = siblings.get((subject = anySubject));
      const isRemote = this.isRemote(event);
      if (!window) {
        this.begin({ subject, siblings, endsAt: 0, event, isRemote, repeats: 0, state: '', changes: 0 });
        return;
      }
      const isNews = isState && subject !== anySubject && stateOf(event) !== window.state;
      if (isNews && window.changes < MAX_CHANGES) {
        if (window.repeats > 0) this.write(window);
        window.repeats = 0;
        window.changes++;
      } else window.repeats++;
      window.event = event;
      window.isRemote = isRemote;
      if (window.repeats === 0) this.write(window);
    };
    this.subscriptions.push(bus.on(type, onEvent));
  }

  private begin(window: Window): void {
    this.write(window);
    this.open(window);
    this.arm();
  }

  private isRemote(event: ServiceDiscoveryEvent): boolean {
    if (!this.deps.isOwn || LOCAL_EVENTS.has(event.type)) return false;
    const key = 'instance' in event ? event.instance : 'key' in event ? event.key : undefined;
    return key !== undefined && !this.deps.isOwn(key);
  }

  private open(window: Window): void {
    window.endsAt = this.clock.now() + this.windowMs;
    window.repeats = 0;
    window.siblings.set(window.subject, window);
    this.windows.add(window);
  }

  /** One timer for all windows, set to the first that ends. */
  private arm(): void {
    const [first] = this.windows.values();
    if (this.timer || !first) return;
    this.timer = this.clock.setTimer(() => this.sweep(), first.endsAt - this.clock.now(), { keepAlive: false });
  }

  private sweep(): void {
    this.timer = undefined;
    const now = this.clock.now();
    for (const window of [...this.windows]) {
      if (window.endsAt > now) break;
      this.windows.delete(window);
      window.siblings.delete(window.subject);
      if (window.repeats === 0) continue;
      this.write(window);
      // A line that keeps repeating is next written at the end of another window.
      if (window.changes < MAX_CHANGES) window.changes = 0;
      this.open(window);
    }
    this.arm();
  }

  /** Writes how many more instances expired. */
  private writeExpiries(service: string, count: number): void {
    const level = this.levels['instance.expired'] ?? 'warn';
    if (!level) return;
    const what = `${counted(count, 'more instance')} of ${service} expired: their heartbeats stopped`;
    this.logger[level](what, this.withFields ? { event: 'instance.expired', service, count } : {});
  }

  /** Writes the latest event with the number of repeats, or a note that further changes will be counted. */
  private write(window: Window): void {
    const { event, isRemote, repeats, changes } = window;
    window.state = stateOf(event);
    const line = lineOf(event);
    const level = this.levels[event.type] ?? (isRemote && line.level === 'log' ? 'debug' : line.level);
    if (!level) return;
    if (event.type === 'instance.expired' && !this.expiries.names(event.key.serviceName)) return;
    const { message, fields } = line;
    const many = changes >= MAX_CHANGES;
    const time = `${this.windowMs / 1_000} s`;
    let text = message;
    if (repeats > 0) text += ` (${repeats} ${many ? 'more' : 'like this'} in the last ${time})`;
    else if (many) text += ` (many changes: further ones are counted and reported within ${time})`;
    if (this.withFields) this.logger[level](text, { ...fields, ...(repeats > 0 && { repeats }) });
    else this.logger[level](withIds(text, fields), {});
  }
}
