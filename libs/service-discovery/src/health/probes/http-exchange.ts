import { request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { type Socket } from 'node:net';

/** What is asked. */
export interface HttpQuestion {
  readonly method: string;
  readonly path: string;
  /** Names in lower case, `host` among them. */
  readonly headers: Readonly<Record<string, string>>;
}

/** What came back, as far as it was read. */
export interface HttpAnswer {
  readonly statusCode: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Whether the body goes on after what was read of it. */
  readonly cut: boolean;
}

/** Of the head of an answer, and of the trailers after its body. */
const LONGEST_HEAD_BYTES = 16_384;
/** Interim answers (`100`, `103`) that may come before the answer. */
const MOST_INTERIM_ANSWERS = 8;
/** What the framing of a body may take beside the body itself: as much again, and this. */
const FRAMING_BYTES = 65_536;

/**
 * One request over a connection that is open, and its answer up to a limit. Neither follows a redirect nor undoes an
 * encoding, so what comes takes no more memory than it took bytes. Closing the connection is up to the caller.
 *
 * Node's own client rather than undici: a client and a parser for one request on a connection of its own cost undici
 * twice as much, and a process may make hundreds of checks a second.
 * @param bodyLimit how many bytes of the body are read; with 0, none is waited for
 * @throws what is wrong with the connection or the answer; the signal's reason when it aborts
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
    // With a connection of its own and no agent, Node asks the other side to close it afterwards.
    const asked = request({ ...question, createConnection: () => socket, maxHeaderSize: LONGEST_HEAD_BYTES });
    let interim = 0;
    asked.on('information', () => {
      if (++interim > MOST_INTERIM_ANSWERS) fail(new Error('one interim answer came after the other'));
    });
    asked.on('upgrade', () => fail(new Error('status 101: no other protocol was asked for')));
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
    // More of what was read at once may come yet.
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
