import { type Clock, messageOf, RegistryUnavailableError, type Timer } from '../../common/index.js';
import { type Change, type WatchScope } from '../../model/index.js';
import { type ChangeBody, type OnBadRecord, toChange } from './change-body.js';
import { type OpenAnswer, type RegistryHttp } from './registry-http.js';

/** A registry pings every 10 s. A stream that is silent for this long is lost. */
const SILENCE_MS = 25_000;

/**
 * Opens a watch and yields its changes until `stop` aborts.
 * @throws RegistryUnavailableError if the watch cannot be opened, ends, falls silent or is not understood
 */
export async function* readChanges(
  http: RegistryHttp,
  scope: WatchScope,
  stop: AbortController,
  clock: Clock,
  onBadRecord?: OnBadRecord,
): AsyncGenerator<Change, void, undefined> {
  const answer = await open(http, scope, stop);
  const lost = (reason: string, cause?: unknown): Error =>
    new RegistryUnavailableError(`The watch on the registry at ${http.url} was lost: ${reason}`, { cause });
  try {
    for await (const { type, data } of readEventStream(textOf(answer, stop, clock))) {
      const change = type === 'change' ? toChange(JSON.parse(data) as ChangeBody, onBadRecord) : undefined;
      if (change) yield change;
    }
  } catch (error) {
    throw lost(messageOf(stop.signal.aborted ? stop.signal.reason : error), error);
  }
  throw lost('the registry ended it');
}

/** Servers refuse a longer request line and headers than 8 to 16 KB together (431); a registry of an older release has GET alone. */
const LONGEST_QUERY = 4_000;

function open(http: RegistryHttp, scope: WatchScope, stop: AbortController): Promise<OpenAnswer> {
  const query = queryOf(scope);
  if (query.length <= LONGEST_QUERY) return http.open('GET', `/watch${query}`, stop);
  const { services, renewals } = scope;
  return http.open('POST', '/watch', stop, { services, renewals });
}

/** The decoded chunks of a stream of the API. Aborts the request if none arrives for {@link SILENCE_MS}. */
export async function* textOf(
  { body }: OpenAnswer,
  stop: AbortController,
  clock: Clock,
): AsyncGenerator<string, void, undefined> {
  const giveUp = (): void => stop.abort(new Error(`it was silent for ${SILENCE_MS / 1_000} s`));
  let timer: Timer | undefined;
  const arm = (): void => {
    timer?.cancel();
    timer = clock.setTimer(giveUp, SILENCE_MS, { keepAlive: false });
  };
  arm();
  try {
    // Not the body's own setEncoding: undici applies that to text() only and yields bytes.
    const decoder = new TextDecoder();
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      arm();
      yield decoder.decode(chunk, { stream: true });
    }
  } finally {
    timer?.cancel();
  }
}

function queryOf({ services, renewals }: WatchScope): string {
  const query = new URLSearchParams();
  if (services) query.set('services', services.join(','));
  if (renewals) query.set('renewals', 'true');
  return query.size > 0 ? `?${query.toString()}` : '';
}

/** One event of an event stream. */
export interface StreamedEvent {
  /** @default 'message' */
  readonly type: string;
  readonly data: string;
}

/** The longest event, and line: the reset of a registry with tens of thousands of instances is one of them. */
const LONGEST_EVENT = 134_217_728;

/** What a line counts besides its length: an event of a registry has one, and millions of empty ones take memory, too. */
const LINE_COST = 1_024;

/**
 * Parses an event stream (WHATWG HTML, "Server-sent events"): the fields `event` and `data`. `id` and `retry` are
 * ignored, since every watch starts with a reset. An event cut off by the end of the stream is dropped.
 * @param chunks decoded text, split anywhere
 */
export async function* readEventStream(chunks: AsyncIterable<string>): AsyncGenerator<StreamedEvent, void, undefined> {
  let type = '';
  let data: string[] = [];
  let length = 0;
  for await (const line of linesOf(chunks)) {
    if (line === '') {
      if (data.length > 0) yield { type: type || 'message', data: data.join('\n') };
      type = '';
      data = [];
      length = 0;
      continue;
    }
    const [, field, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (field === 'event') type = value;
    else if (field === 'data') {
      data.push(value);
      length += value.length + LINE_COST;
      if (length > LONGEST_EVENT) throw new Error(`an event is longer than ${LONGEST_EVENT} characters`);
    }
  }
}

/** Lines without their terminators LF, CR or CRLF. Linear in the length of a line, however it is split. */
async function* linesOf(chunks: AsyncIterable<string>): AsyncGenerator<string, void, undefined> {
  let pieces: string[] = [];
  let length = 0;
  let afterCr = false;
  for await (const chunk of chunks) {
    // The LF of a CRLF may be in the next chunk.
    const text = afterCr && chunk.startsWith('\n') ? chunk.slice(1) : chunk;
    if (chunk !== '') afterCr = chunk.endsWith('\r');
    const [first = '', ...rest] = text.split(/\r\n|\n|\r/);
    pieces.push(first);
    length += first.length;
    if (length > LONGEST_EVENT) throw new Error(`a line is longer than ${LONGEST_EVENT} characters`);
    for (const next of rest) {
      yield pieces.join('');
      pieces = [next];
      length = next.length;
    }
  }
}
