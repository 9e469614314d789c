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
