import { signal, type ReadonlySignal } from '@preact/signals';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { type ApiError, getText, keepToken, type Path, type Query, tokenAsked } from './api.js';
import { readEventStream } from './event-stream.js';
import { type JournalEntry, type Overview, type Topology } from './model.js';

/** How the page hears of changes. */
export type Connection = 'connecting' | 'live' | 'lost';

export const connection = signal<Connection>('connecting');
/** The newest first. */
export const journal = signal<readonly JournalEntry[]>([]);

const KEPT_ENTRIES = 1_000;
/** A page that follows thousands of changes a second reads what it shows once a second. */
const MIN_PAUSE_MS = 1_000;
/** Entries of the journal that come within this time are shown, and what they change is read, at once. */
const GATHER_MS = 250;
/** Without a stream, what the page shows is read this often. */
const POLL_MS = 5_000;
const RECONNECT_MS = { first: 500, most: 10_000 };

type Listener = (entries: readonly JournalEntry[] | 'everything') => void;
const listeners = new Set<Listener>();

function tell(entries: readonly JournalEntry[] | 'everything'): void {
  for (const listener of listeners) listener(entries);
}

let gathered: JournalEntry[] = [];
let timer = 0;

/** Entries that come together are one change of the page. */
function take(entry: JournalEntry): void {
  gathered.push(entry);
  timer ||= window.setTimeout(takeGathered, GATHER_MS);
}

function takeGathered(): void {
  const entries = gathered;
  gathered = [];
  timer = 0;
  const known = new Set(journal.peek().map(({ id }) => id));
  const fresh = entries.filter(({ id }) => !known.has(id));
  if (fresh.length === 0) return;
  journal.value = sorted([...fresh, ...journal.peek()]).slice(0, KEPT_ENTRIES);
  tell(fresh);
}

/**
 * By the time when it happened, the newest first: other processes report theirs later. The id says when an entry arrived, so that
 * none is later than that, whatever the clock of its process says.
 */
function sorted(entries: readonly JournalEntry[]): JournalEntry[] {
  const timeOf = ({ id, at }: JournalEntry): number => Math.min(Date.parse(at), Number.parseInt(id, 10));
  return entries
    .map((entry) => ({ entry, time: timeOf(entry) }))
    .sort((a, b) => b.time - a.time || (a.entry.id < b.entry.id ? 1 : -1))
    .map(({ entry }) => entry);
}

/** Follows the journal until the signal aborts: the page's one stream. */
export async function followJournal(signal: AbortSignal): Promise<void> {
  let lastEventId: string | undefined;
  let failures = 0;
  try {
    const text = await getText(['journal'], { limit: KEPT_ENTRIES }, signal);
    const { entries } = JSON.parse(text) as { entries: JournalEntry[] };
    journal.value = sorted(entries);
    lastEventId = entries[0]?.id;
  } catch {
    // The stream tells whether the journal can be read.
  }
  while (!signal.aborted) {
    try {
      await readEventStream(['journal', 'stream'], {
        lastEventId,
        signal,
        onOpen: () => {
          failures = 0;
          connection.value = 'live';
          tell('everything');
        },
        onEvent: ({ id, data }) => {
          if (id !== '') lastEventId = id;
          take(JSON.parse(data) as JournalEntry);
        },
      });
    } catch {
      // It is opened again below, whatever ended it.
    }
    if (signal.aborted) return;
    connection.value = 'lost';
    // What is shown may be over: it is read again, or the page says that it cannot be.
    if (failures === 0) tell('everything');
    const pause = Math.min(RECONNECT_MS.most, RECONNECT_MS.first * 2 ** failures++);
    await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + Math.random() / 2)));
  }
}

/** What the API answered last. */
export interface Answer<T> {
  readonly data?: T;
  /** Why the last request failed; there may be data of an earlier one. */
  readonly error?: ApiError;
  /** When the data was read; milliseconds since the Unix epoch. */
  readonly readAt?: number;
}

export interface LiveOptions {
  /** Whether an entry of the journal changes the answer. @default none does */
  readonly concerns?: (entry: JournalEntry) => boolean;
  /** How often it is read in any case, in milliseconds. @default 15_000 */
  readonly everyMs?: number;
}

/** An answer of the API that is read again when the journal says that it has changed. */
class LiveAnswer<T> {
  private readonly state = signal<Answer<T>>({});
  private readonly ended = new AbortController();
  private timer: number | undefined;
  private dueAt = Infinity;
  private readAt = -Infinity;
  private answeredAt: number | undefined;
  private reading = false;
  private isStale = false;
  private text = '';

  constructor(
    private readonly path: Path,
    private readonly query: Query,
    private readonly options: LiveOptions = {},
  ) {
    listeners.add(this.hear);
    document.addEventListener('visibilitychange', this.look);
    void this.read();
  }

  get answer(): ReadonlySignal<Answer<T>> {
    return this.state;
  }

  /** Reads again at once. */
  readonly refresh = (): void => this.readWithin(0);

  readonly end = (): void => {
    this.ended.abort();
    clearTimeout(this.timer);
    listeners.delete(this.hear);
    document.removeEventListener('visibilitychange', this.look);
  };

  private readonly hear: Listener = (entries) => {
    const { concerns = () => false } = this.options;
    if (entries === 'everything' || entries.some(concerns)) {
      this.readWithin(Math.max(0, this.readAt + MIN_PAUSE_MS - performance.now()));
    }
  };

  private readonly look = (): void => {
    if (!document.hidden) this.readWithin(0);
  };

  private readWithin(ms: number): void {
    const at = performance.now() + ms;
    if (at >= this.dueAt || this.ended.signal.aborted) return;
    clearTimeout(this.timer);
    this.dueAt = at;
    this.timer = window.setTimeout(() => void this.read(), ms);
  }

  private async read(): Promise<void> {
    this.dueAt = Infinity;
    if (this.reading) {
      this.isStale = true;
      return;
    }
    if (document.hidden && this.text !== '') return this.waitForNext();
    this.reading = true;
    this.readAt = performance.now();
    try {
      const text = await getText(this.path, this.query, this.ended.signal);
      // What has not changed is not rendered again.
      if (text !== this.text || this.state.peek().error) this.state.value = { data: JSON.parse(text) as T };
      this.text = text;
      this.answeredAt = Date.now();
    } catch (error) {
      if (this.ended.signal.aborted) return;
      const { data } = this.state.peek();
      this.state.value = { data, error: error as ApiError, readAt: this.answeredAt };
    }
    this.reading = false;
    if (this.isStale) this.readWithin(MIN_PAUSE_MS);
    else this.waitForNext();
    this.isStale = false;
  }

  private waitForNext(): void {
    const { everyMs = 15_000 } = this.options;
    // What failed is likely to be over before the journal, which says nothing of it, or the next turn.
    const isPatient = connection.peek() === 'live' && !hasFailed(this.state.peek());
    this.readWithin(isPatient ? everyMs : Math.min(everyMs, POLL_MS));
  }
}

/** There was no answer, or one of a server that has a fault: the same request may succeed soon. */
const hasFailed = ({ error }: Answer<unknown>): boolean =>
  error !== undefined && (error.status === 0 || error.status >= 500);

/** {@link LiveAnswer} for as long as the component is shown. */
export function useLive<T>(path: Path, query: Query = {}, options: LiveOptions = {}): Answer<T> & Refreshed {
  const key = JSON.stringify([path, query]);
  const [shown, setShown] = useState<{ key: string; live: LiveAnswer<T> }>();
  useEffect(() => {
    const live = new LiveAnswer<T>(path, query, options);
    setShown({ key, live });
    return live.end;
  }, [key]);
  if (shown?.key !== key) return { refresh: () => undefined };
  return { ...shown.live.answer.value, refresh: shown.live.refresh };
}

export interface Refreshed {
  readonly refresh: () => void;
}

const isAboutServices = ({ type }: JournalEntry): boolean =>
  /^(instance|registry|lease|service|expiry|operator)/.test(type);

/** What every view needs: the counts, what is wrong, and what this user may do. */
export const overview = new LiveAnswer<Overview>(['overview'], {}, { concerns: isAboutServices });

/** The server does not answer, of which the whole page tells once. */
export const isCutOff = (): boolean => overview.answer.value.error?.status === 0;

export const useTopology = (): Answer<Topology> & Refreshed =>
  useLive<Topology>(['topology'], {}, { concerns: isAboutServices, everyMs: 10_000 });

/** The names of services: events also name the policies of methods, which have no page. */
export function useServiceNames(): ReadonlySet<string> {
  const { data } = useLive<Topology>(['topology'], {}, { everyMs: 60_000 });
  return useMemo(() => new Set(data?.nodes.map(({ service_name: name }) => name)), [data]);
}

/** Whether this user may drain instances and force circuits, as far as the API says beforehand. */
export const mayOperate = (): boolean => overview.answer.value.data?.rights.operate === true;

/** Everything is asked for again, with this token. */
export function signIn(token: string): void {
  keepToken(token);
  tell('everything');
}

export { tokenAsked };
