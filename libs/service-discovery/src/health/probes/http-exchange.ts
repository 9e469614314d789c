import http, { type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { type Socket } from 'node:net';
import { counted, isDeeper } from '../../common/index.js';

/** A request of a probe. */
interface HttpQuestion {
  readonly method: string;
  readonly path: string;
  /** Lower-case names, including `host`. */
  readonly headers: Readonly<Record<string, string>>;
}

/** A response, as far as it was read. */
export interface HttpAnswer {
  readonly statusCode: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Whether the body was longer than what was read. */
  readonly cut: boolean;
}

/** Limit for response headers, and again for trailers. */
const LONGEST_HEAD_BYTES = 16_384;
/** Limit of interim responses (`100`, `103`). */
const MOST_INTERIM_ANSWERS = 8;
/** Allowance for the framing of a body: the size of the body plus this. */
const FRAMING_BYTES = 65_536;

/**
 * Sends one request over an open connection and reads the response up to a limit. Follows no redirects and decodes no
 * content encoding, so memory is bounded by the bytes received. The caller closes the connection.
 *
 * Uses Node's client rather than undici: with a fresh connection per request, undici costs twice as much, and a process
 * may make hundreds of checks a second.
 * @param bodyLimit how many bytes of the body are read; with 0 the body is not awaited
 * @throws the error of the connection or response; the signal's reason on abort
 */
export function askOver(
  socket: Socket,
  question: HttpQuestion,
  bodyLimit: number,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => fail(signal.reason as Error);
    const fail = (error: Error): void => {
      signal.removeEventListener('abort', onAbort);
      reject(error);
    };
    const succeed = (answer: HttpAnswer): void => {
      signal.removeEventListener('abort', onAbort);
      resolve(answer);
    };
    if (signal.aborted) {
      reject(signal.reason as Error);
      return;
    }
    signal.addEventListener('abort', onAbort, { once: true });
    // With its own connection and no agent, Node sends `connection: close`.
    const asked = http.request({ ...question, createConnection: () => socket, maxHeaderSize: LONGEST_HEAD_BYTES });
    let interim = 0;
    asked.on('information', () => {
      if (++interim > MOST_INTERIM_ANSWERS) fail(new Error('too many interim responses'));
    });
    asked.on('upgrade', () => fail(new Error('status 101: no protocol upgrade was requested')));
    asked.on('response', (response) => readAnswer(response, socket, bodyLimit, succeed, fail));
    asked.on('error', fail);
    asked.end();
  });
}

function readAnswer(
  response: IncomingMessage,
  socket: Socket,
  bodyLimit: number,
  succeed: (answer: HttpAnswer) => void,
  fail: (error: Error) => void,
): void {
  const { statusCode = 0, headers } = response;
  const chunks: Buffer[] = [];
  let length = 0;
  const end = (cut: boolean): void => succeed({ statusCode, headers, body: Buffer.concat(chunks), cut });
  response.on('error', fail);
  if (bodyLimit === 0) {
    end(true);
    return;
  }
  response.on('data', (chunk: Buffer) => {
    const room = bodyLimit - length;
    // Further chunks of the same read may still arrive.
    if (room < 0) return;
    length += chunk.length;
    chunks.push(chunk.length > room ? chunk.subarray(0, room) : chunk);
    if (length > bodyLimit) end(true);
  });
  response.on('end', () => end(false));
  const mostBytes = socket.bytesRead + 2 * bodyLimit + FRAMING_BYTES;
  socket.on('data', () => {
    if (socket.bytesRead > mostBytes) fail(new Error('the answer is mostly framing and was not read'));
  });
}

/** Deeper JSON is dropped: serializing it recurses, and a response must not overflow the stack of a reader. */
const MAX_DATA_DEPTH = 32;

/** The parsed body of a response. */
export interface AnswerBody {
  /** The text that was read; empty if the body is encoded. */
  readonly text: string;
  /** Set if the body is JSON. */
  readonly data?: unknown;
}

/** A body together with its problems. */
export interface ReadBody extends AnswerBody {
  /** Why the response fails the check. */
  readonly flaw?: string;
  /** Why the body was not kept although it may be fine. */
  readonly note?: string;
}

/** @param limit how many bytes are read; 0: none, by configuration */
export function bodyOf({ headers, body, cut }: HttpAnswer, limit: number): ReadBody {
  const encoding = headers['content-encoding'] ?? 'identity';
  if (body.length > 0 && !/^identity$/i.test(encoding)) {
    // A few encoded bytes can decode to gigabytes, and the request did not accept any encoding.
    return { text: '', note: 'the body is encoded and was not read' };
  }
  const text = body.toString('utf8');
  if (cut) return limit === 0 ? { text } : { text, flaw: `the body is longer than ${counted(limit, 'byte')}` };
  const declared = headers['content-type'];
  if (text === '' || (declared !== undefined && !/^[^;]*[/+]json\b/i.test(declared))) return { text };
  return { text, ...parse(text, declared !== undefined) };
}

function parse(text: string, declared: boolean): Omit<ReadBody, 'text'> {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    return declared ? { flaw: 'the body is not valid JSON' } : {};
  }
  return isDeeper(data, MAX_DATA_DEPTH)
    ? { note: `the body is nested deeper than ${MAX_DATA_DEPTH} levels and was not kept` }
    : { data };
}
