import { InvalidConfigurationError, msOf, type Clock, type Duration, type Timer } from '../common/index.js';
import { type EventName, type InstanceKey, type ServiceDiscoveryEvent } from '../model/index.js';
import { type EventBus } from './event-bus.js';
import { lineOf, type EventLine, type LogLevel } from './event-line.js';

/**
 * Where lines go; one method a level, so that Nest's logger, pino or the console are a few lines away. `fields` is
 * empty where `EventLoggerOptions.fields` is off.
 */
export type LoggerPort = Record<LogLevel, (message: string, fields: Record<string, unknown>) => void>;

export interface EventLoggerOptions {
  /**
   * A line is written once in this time, however often it repeats; the repeats are counted and the count is written at
   * the end of it. From 1 s to 1 day.
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
   * Another level for an event type, or `false` to leave it out.
   * @default the levels of `lineOf`
   */
  levels?: Partial<Record<EventName, LogLevel | false>>;
  /**
   * Whether the fields of a line go to the logger beside its message, for logs that machines read. Nest 11's own logger
   * prints them as an entry of its own unless it writes JSON.
   * @default true
   */
  fields?: boolean;
}

export const DEFAULT_EVENT_LOGGER_OPTIONS = {
  repeatWindow: '60s',
  maxLines: 1_000,
  levels: {},
  fields: true,
} as const satisfies Required<EventLoggerOptions>;

interface Window {
  readonly endsAt: number;
  /** The latest of the lines that were left out. */
  line: EventLine;
  repeats: number;
}

/** Writes one structured line an event, and folds repeats. Nothing is logged for `call.picked`. */
export class EventLogger {
  private readonly clock: Clock;
  private readonly levels: Partial<Record<EventName, LogLevel | false>>;
  private readonly windowMs: number;
  private readonly withFields: boolean;
  private readonly maxLines: number;
  /** In order of `endsAt`, which is the order of insertion as all windows are equally long. */
  private readonly windows = new Map<string, Window>();
  private readonly unsubscribe: () => void;
  private timer: Timer | undefined;

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
    const settings = { ...DEFAULT_EVENT_LOGGER_OPTIONS, ...options };
    this.clock = deps.clock;
    this.levels = settings.levels;
    this.maxLines = settings.maxLines;
    this.windowMs = windowMsOf(settings);
    this.withFields = settings.fields;
    this.unsubscribe = bus.onAny((event) => this.onEvent(event));
  }

  /** Stops logging, after the counts of repeats that are still due. */
  close(): void {
    this.unsubscribe();
    this.timer?.cancel();
    this.timer = undefined;
    for (const window of this.windows.values()) this.writeRepeats(window);
    this.windows.clear();
  }

  private onEvent(event: ServiceDiscoveryEvent): void {
    const level = this.levels[event.type];
    if (level === false) return;
    const draft = lineOf(event);
    if (!draft) return;
    const line = { ...draft, level: level ?? this.levelFor(draft.level, event) };
    const key = this.keyFor(event.type, line.subject);
    const window = this.windows.get(key);
    if (window) {
      window.line = line;
      window.repeats += 1;
    } else {
      this.write(line, 0);
      this.open(key, line);
      this.arm();
    }
  }

  private levelFor(level: LogLevel, event: ServiceDiscoveryEvent): LogLevel {
    const key = 'instance' in event ? event.instance : 'key' in event ? event.key : undefined;
    const isOthers = key !== undefined && this.deps.isOwn?.(key) === false;
    return isOthers && level === 'log' ? 'debug' : level;
  }

  private keyFor(type: EventName, subject: string): string {
    const key = `${type} ${subject}`;
    return this.windows.has(key) || this.windows.size < this.maxLines ? key : type;
  }

  private open(key: string, line: EventLine): void {
    this.windows.set(key, { endsAt: this.clock.now() + this.windowMs, line, repeats: 0 });
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
    for (const [key, window] of [...this.windows]) {
      if (window.endsAt > now) break;
      this.windows.delete(key);
      if (window.repeats === 0) continue;
      this.writeRepeats(window);
      // What went on repeating starts quiet: its next line is due at the end of another window.
      this.open(key, window.line);
    }
    this.arm();
  }

  private writeRepeats(window: Window): void {
    if (window.repeats > 0) this.write(window.line, window.repeats);
  }

  private write({ level, message, fields }: EventLine, repeats: number): void {
    const text = repeats === 0 ? message : `${message} (${repeats} like this in the last ${this.windowMs / 1_000} s)`;
    this.logger[level](text, this.withFields ? { ...fields, ...(repeats > 0 && { repeats }) } : {});
  }
}

function windowMsOf({ repeatWindow, maxLines, fields }: Required<Omit<EventLoggerOptions, 'levels'>>): number {
  const windowMs = msOf(repeatWindow);
  const problems = [];
  if (!(windowMs >= 1_000 && windowMs <= 86_400_000)) {
    problems.push({ path: 'repeatWindow', value: repeatWindow, expected: 'a duration from 1 s to 1 day' });
  }
  if (!Number.isInteger(maxLines) || maxLines < 1 || maxLines > 100_000) {
    problems.push({ path: 'maxLines', value: maxLines, expected: 'a whole number from 1 to 100000' });
  }
  if (typeof fields !== 'boolean') problems.push({ path: 'fields', value: fields, expected: 'true or false' });
  if (problems.length > 0) throw new InvalidConfigurationError(problems);
  return windowMs;
}
