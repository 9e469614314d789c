import { createServer, type Server } from 'node:net';
import { bodyOf, bytesOf } from './answers.js';

const HEAD_END = '\r\n\r\n';
const POST = 'POST'.charCodeAt(0);
const CONTENT_LENGTH = /\r\ncontent-length: *(\d+)/i;

/**
 * A minimal HTTP/1.1 server, so that the client dominates the measurement: it parses only as much of a request as
 * needed to find the next one, and answers `/<bytes>/...` with prepared JSON of that size.
 */
export function cannedHttpServer(): Server {
  return createServer({ noDelay: true }, (socket) => {
    const requests = new RequestReader((path) => socket.write(answerTo(path)));
    socket.on('data', (chunk) => requests.read(chunk));
    socket.on('error', () => socket.destroy());
  });
}

/** Finds the requests in received data, however it is split or pipelined. */
class RequestReader {
  private pending: Buffer | undefined;
  private path = '';
  /** Bytes of a body still to come. */
  private skip = 0;

  constructor(private readonly onRequest: (path: string) => void) {}

  read(chunk: Buffer): void {
    let data = this.pending ? Buffer.concat([this.pending, chunk]) : chunk;
    this.pending = undefined;
    while (data.length > 0) {
      if (this.skip > 0) {
        const skipped = Math.min(this.skip, data.length);
        this.skip -= skipped;
        data = data.subarray(skipped);
        if (this.skip === 0) this.onRequest(this.path);
        continue;
      }
      const end = data.indexOf(HEAD_END);
      if (end < 0) {
        this.pending = data;
        return;
      }
      this.path = pathOf(data);
      this.skip = data[0] === POST ? Number(CONTENT_LENGTH.exec(data.toString('latin1', 0, end))?.[1] ?? 0) : 0;
      data = data.subarray(end + HEAD_END.length);
      if (this.skip === 0) this.onRequest(this.path);
    }
  }
}

/** `/200/users/1` of `GET /200/users/1 HTTP/1.1`. */
function pathOf(head: Buffer): string {
  const start = head.indexOf(' ') + 1;
  return head.toString('latin1', start, head.indexOf(' ', start));
}

const answers = new Map<number, Buffer>();

function answerTo(path: string): Buffer {
  const bytes = bytesOf(path);
  let answer = answers.get(bytes);
  if (!answer) {
    const body = JSON.stringify(bodyOf(bytes));
    const head = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}`;
    answer = Buffer.from(head + HEAD_END + body);
    answers.set(bytes, answer);
  }
  return answer;
}
