import { request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { type Socket } from 'node:net';

/** A request of a probe. */
export interface HttpQuestion {
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
    const asked = request({ ...question, createConnection: () => socket, maxHeaderSize: LONGEST_HEAD_BYTES });
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
