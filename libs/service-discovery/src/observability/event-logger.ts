import { OptionValidator, type Clock, type Duration, type Timer } from '../common/index.js';
import { type EventName, type InstanceKey, type ServiceDiscoveryEvent } from '../model/index.js';
import { type EventBus } from './event-bus.js';
import { lineOf, type LogLevel } from './event-line.js';
import { ExpiryBursts } from './expiry-bursts.js';
import { EVENT_TYPES, stateOf, storyOf, subjectOf } from './event-subject.js';

/**
 * Where lines go; one method a level, so that Nest's logger, pino or the console are a few lines away. `fields` is
 * empty where `EventLoggerOptions.fields` is off.
 */
export type LoggerPort = Record<LogLevel, (message: string, fields: Record<string, unknown>) => void>;

export interface EventLoggerOptions {
  /**
   * A line is written once in this time, however often it repeats; the repeats are counted and the count is written at
   * the end of it. A change of state, such as that an instance is healthy again, is written at once, until there were ten
   * within this time: further ones are counted, too. From 1 s to 1 day.
   * @default '60s'
   */
  repeatWindow?: Duration;
  /**
   * How many different lines are told apart within a window, from 1 to 100,000; beyond it, all further lines of one
   * event type count as repeats of each other.
   * @default 1000
   */
  maxLines?: number;
  /**
   * Another level for an event type, or `false` to leave it out. Picks are logged only where they have a level here, such as
   * `{ 'call.picked': 'debug' }`.
   * @default the levels of `lineOf`, and false for `call.picked`
   */
  levels?: Partial<Record<EventName, LogLevel | false>>;
  /**
   * Whether the fields of a line go to the logger beside its message, for logs that machines read.
   * @default true; in a Nest app, false while Nest's own logger writes text, where they would be lines more
   */
  fields?: boolean;
}

export const DEFAULT_EVENT_LOGGER_OPTIONS = {
  repeatWindow: '60s',
  maxLines: 1_000,
  levels: {},
  fields: true,
} as const satisfies Required<EventLoggerOptions>;

const LEVELS = ['debug', 'log', 'warn', 'error', false] as const satisfies readonly (LogLevel | false)[];

/** What was left out of late as a repeat of one line. */
interface Window {
  readonly subject: string;
  /** Those of the same type of event, or of the same story, by subject. */
  readonly siblings: Map<string, Window>;
  endsAt: number;
  /** The latest one. */
  event: ServiceDiscoveryEvent;
  /** Whether it befell an instance of another process. */
  isOthers: boolean;
  repeats: number;
  /** What the line that was written last says. */
  state: string;
  /** How many changes of state were written, in this window and those that it goes on from. */
  changes: number;
}

/** What the calls of this process have found, of whomever: nobody else tells of it. */
const OWN_FINDINGS: ReadonlySet<EventName> = new Set<EventName>([
  'instance.ejected',
  'instance.readmitted',
  'instance.unreachable',
  'instance.reached',
]);

/** How many changes of state of one thing are written within a window. */
const MAX_CHANGES = 10;

/**
 * Writes one structured line an event, and folds repeats. `call.picked` is logged on request alone. By far the most events are
 * repeats, such as that a call succeeded: each is kept in place of the one before, and made a line if it is written.
 */
export class EventLogger {
  private readonly clock: Clock;
  private readonly levels: Levels;
  private readonly windowMs: number;
  private readonly withFields: boolean;
  private readonly maxLines: number;
  /** In order of `endsAt`, which is the order of insertion as all windows are equally long. */
  private readonly windows = new Set<Window>();
  private readonly subscriptions: (() => void)[] = [];
  private timer: Timer | undefined;
  private readonly expiries: ExpiryBursts;

  /**
   * @param deps.isOwn whether an instance is of this process. What befalls others is logged at `debug` where it would be
   *   at `log`: with a thousand processes, each would log every deployment. @default all are
   * @throws InvalidConfigurationError naming every wrong option
   */
  constructor(
    bus: EventBus,
    private readonly logger: LoggerPort,
    options: EventLoggerOptions,
    private readonly deps: { readonly clock: Clock; readonly isOwn?: (key: InstanceKey) => boolean },
  ) {
    const settings = resolveEventLoggerOptions(options);
    this.clock = deps.clock;
    this.levels = settings.levels;
    this.maxLines = settings.maxLines;
    this.windowMs = settings.windowMs;
    this.withFields = settings.fields;
    this.expiries = new ExpiryBursts(this.clock, (service, count) => this.writeExpiries(service, count));
    const stories = new Map<readonly EventName[], Map<string, Window>>();
    for (const type of EVENT_TYPES) {
      // Not even listened to, as a look at each pick would be a cost of each call.
      if (this.levels[type] === false || (type === 'call.picked' && this.levels[type] === undefined)) continue;
      const story = storyOf(type);
      const siblings = (story && stories.get(story)) ?? new Map<string, Window>();
      if (story) stories.set(story, siblings);
      this.listen(bus, type, siblings, story !== undefined);
    }
  }

  /** Stops logging, after the counts of repeats that are still due. */
  close(): void {
    for (const unsubscribe of this.subscriptions.splice(0)) unsubscribe();
    this.timer?.cancel();
    this.timer = undefined;
    for (const window of this.windows) if (window.repeats > 0) this.write(window);
    this.windows.clear();
    this.expiries.close();
  }

  private listen(bus: EventBus, type: EventName, siblings: Map<string, Window>, tellsStory: boolean): void {
    // What counts as a repeat of whichever other of its type where there is no room for more subjects.
    const anySubject = ` ${type}`;
    const onEvent = (event: ServiceDiscoveryEvent): void => {
      let subject = subjectOf(event);
      let window = siblings.get(subject);
      if (!window && this.windows.size >= this.maxLines) window = siblings.get((subject = anySubject));
      const isOthers = this.isOthers(event);
      if (!window) {
        this.begin({ subject, siblings, endsAt: 0, event, isOthers, repeats: 0, state: '', changes: 0 });
        return;
      }
      const isNews = tellsStory && subject !== anySubject && stateOf(event) !== window.state;
      if (isNews && window.changes < MAX_CHANGES) {
        if (window.repeats > 0) this.write(window);
        window.repeats = 0;
        window.changes++;
      } else window.repeats++;
      window.event = event;
      window.isOthers = isOthers;
      if (window.repeats === 0) this.write(window);
    };
    this.subscriptions.push(bus.on(type, onEvent));
  }

  private begin(window: Window): void {
    this.write(window);
    this.open(window);
    this.arm();
  }

  private isOthers(event: ServiceDiscoveryEvent): boolean {
    if (!this.deps.isOwn || OWN_FINDINGS.has(event.type)) return false;
    const key = 'instance' in event ? event.instance : 'key' in event ? event.key : undefined;
    return key !== undefined && !this.deps.isOwn(key);
  }

  private open(window: Window): void {
    window.endsAt = this.clock.now() + this.windowMs;
    window.repeats = 0;
    window.siblings.set(window.subject, window);
    this.windows.add(window);
  }

  /** One timer serves all windows: it waits for the one that ends first. */
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
      // What went on repeating starts quiet: its next line is due at the end of another window.
      if (window.changes < MAX_CHANGES) window.changes = 0;
      this.open(window);
    }
    this.arm();
  }

  /** Writes how many instances expired that were not named. */
  private writeExpiries(service: string, count: number): void {
    const level = this.levels['instance.expired'] ?? 'warn';
    if (!level) return;
    const what = `${count} more instance${count === 1 ? '' : 's'} of ${service} expired: their heartbeats stopped`;
    this.logger[level](what, this.withFields ? { event: 'instance.expired', service, count } : {});
  }

  /** Writes the latest of the events, and how many were left out, or that changes are from now on. */
  private write(window: Window): void {
    const { event, isOthers, repeats, changes } = window;
    window.state = stateOf(event);
    const line = lineOf(event);
    const level = this.levels[event.type] ?? (isOthers && line.level === 'log' ? 'debug' : line.level);
    if (!level) return;
    if (event.type === 'instance.expired' && !this.expiries.names(event.key.serviceName)) return;
    const { message, fields } = line;
    const many = changes >= MAX_CHANGES;
    const time = `${this.windowMs / 1_000} s`;
    let text = message;
    if (repeats > 0) text += ` (${repeats} ${many ? 'more' : 'like this'} in the last ${time})`;
    else if (many) text += ` (many changes: further ones are counted, and told of within ${time})`;
    this.logger[level](text, this.withFields ? { ...fields, ...(repeats > 0 && { repeats }) } : {});
  }
}

type Levels = NonNullable<EventLoggerOptions['levels']>;

interface ResolvedEventLoggerOptions {
  readonly windowMs: number;
  readonly maxLines: number;
  readonly levels: Levels;
  readonly fields: boolean;
}

/**
 * Fills in the defaults.
 * @param path what stands before an option's name in a problem, such as `logging`
 * @throws InvalidConfigurationError naming every wrong option
 */
export function resolveEventLoggerOptions(options: EventLoggerOptions, path = ''): ResolvedEventLoggerOptions {
  const check = new OptionValidator(path);
  const given = check.options<Required<EventLoggerOptions>>('', options, DEFAULT_EVENT_LOGGER_OPTIONS);
  const resolved = {
    windowMs: check.duration('repeatWindow', given.repeatWindow, { minMs: 1_000, maxMs: 86_400_000 }),
    maxLines: check.number('maxLines', given.maxLines, { min: 1, max: 100_000, integer: true }),
    levels: check.options<Levels>('levels', given.levels, {}, EVENT_TYPES),
    fields: check.boolean('fields', given.fields),
  };
  for (const [type, level] of Object.entries(resolved.levels)) check.oneOf(`levels.${type}`, level, LEVELS);
  check.throwIfAny();
  return resolved;
}
