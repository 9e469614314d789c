import { request, type Path } from './api.js';

interface StreamEvent {
  readonly id: string;
  readonly type: string;
  readonly data: string;
}

/** The API sends a comment every 10 s; a stream that is silent for longer is dead. */
const SILENCE_MS = 25_000;

/**
 * Reads an event stream until it ends. `EventSource` cannot send a token.
 * @throws ApiError, or an error of the network
 */
export async function readEventStream(
  path: Path,
  { lastEventId, signal, onOpen, onEvent }: ReadOptions,
): Promise<void> {
  const ended = new AbortController();
  const end = (): void => ended.abort();
  signal.addEventListener('abort', end, { once: true });
  let timer = setTimeout(end, SILENCE_MS);
  const headers = { accept: 'text/event-stream', ...(lastEventId !== undefined && { 'last-event-id': lastEventId }) };
  try {
    const response = await request('GET', path, {}, { headers, signal: ended.signal });
    onOpen();
    const reader = (response.body ?? new ReadableStream<Uint8Array>()).getReader();
    const decoder = new TextDecoder();
    const frames = new FrameReader(onEvent);
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      clearTimeout(timer);
      timer = setTimeout(end, SILENCE_MS);
      frames.push(decoder.decode(chunk.value, { stream: true }));
    }
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', end);
  }
}

interface ReadOptions {
  readonly lastEventId?: string;
  readonly signal: AbortSignal;
  readonly onOpen: () => void;
  readonly onEvent: (event: StreamEvent) => void;
}

/** Puts frames together (WHATWG HTML, "Server-sent events"). */
class FrameReader {
  private rest = '';

  constructor(private readonly onEvent: (event: StreamEvent) => void) {}

  push(text: string): void {
    const frames = (this.rest + text).split(/\r?\n\r?\n/);
    this.rest = frames.pop() ?? '';
    for (const frame of frames) this.read(frame);
  }

  private read(frame: string): void {
    const event = { id: '', type: 'message', data: [] as string[] };
    for (const line of frame.split(/\r?\n/)) {
      const colon = line.indexOf(':');
      const name = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
      if (name === 'id') event.id = value;
      else if (name === 'event') event.type = value;
      else if (name === 'data') event.data.push(value);
    }
    if (event.data.length > 0) this.onEvent({ ...event, data: event.data.join('\n') });
  }
}
