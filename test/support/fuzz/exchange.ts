import { connect, type Socket } from 'node:net';
import { type Message } from './fuzz-request.js';

const HEAD_END = '\r\n\r\n';
const FINAL_STATUS = /(?:^|\r\n)HTTP\/1\.[01] ([2-5]\d\d) [^\r]*\r\n/g;

/** What came back for a message. */
export interface Answer {
  /** Final statuses; none where the server closed the connection without one, more than one where it saw several requests. */
  readonly statuses: readonly number[];
  readonly text: string;
}

/** One client, which keeps its connection where HTTP lets it. */
export class FuzzClient {
  private socket: Socket | undefined;

  constructor(
    private readonly port: number,
    private readonly timeoutMs: number,
  ) {}

  /** @throws if nothing comes back and the connection stays open, or if no connection can be opened */
  async send(message: Message): Promise<Answer> {
    const isReused = message.isWhole && this.socket !== undefined;
    const answer = await this.sendOnce(message);
    // The server may have closed a connection that waited for its next request.
    return isReused && answer.text === '' ? this.sendOnce(message) : answer;
  }

  private async sendOnce({ bytes, isWhole, isHead }: Message): Promise<Answer> {
    if (!isWhole) this.close();
    const socket = (this.socket ??= connect({ port: this.port, host: '127.0.0.1', allowHalfOpen: true }));
    const text = await this.exchange(socket, bytes, isWhole, isHead);
    if (!isWhole || socket.destroyed || !isComplete(text, isHead) || /\r\nconnection: close\r\n/i.test(text))
      this.close();
    return { statuses: [...text.matchAll(FINAL_STATUS)].map(([, status]) => Number(status)), text };
  }

  close(): void {
    this.socket?.destroy();
    this.socket = undefined;
  }

  private exchange(socket: Socket, bytes: Buffer, isWhole: boolean, isHead: boolean): Promise<string> {
    return new Promise((resolve, reject) => {
      let text = '';
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        socket.removeAllListeners();
        // What comes after the answer does not matter; an error without a listener would end the process.
        socket.on('error', () => undefined);
        act();
      };
      const timer = setTimeout(() => settle(() => reject(new Error('no answer'))), this.timeoutMs);
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1');
        if (isStream(text) || (isWhole && isComplete(text, isHead))) settle(() => resolve(text));
      });
      socket.on('end', () => {
        socket.destroy();
        settle(() => resolve(text));
      });
      socket.on('close', () => settle(() => resolve(text)));
      socket.on('error', (error: NodeJS.ErrnoException) => {
        // A server may close a connection before it has read all; one that is gone takes no connection.
        if (error.code === 'ECONNREFUSED') settle(() => reject(error));
        else settle(() => resolve(text));
      });
      socket.write(bytes);
      // A message without an end is answered once its sender says that no more comes.
      if (!isWhole) socket.end();
    });
  }
}

function isStream(text: string): boolean {
  return /(?:^|\r\n)HTTP\/1\.[01] 200 [^]*?\r\ncontent-type: text\/event-stream/i.test(text);
}

function isComplete(text: string, isHead: boolean): boolean {
  const begin = text.search(/HTTP\/1\.[01] [2-5]/);
  const end = begin < 0 ? -1 : text.indexOf(HEAD_END, begin);
  if (end < 0) return false;
  const head = text.slice(begin, end + 2).toLowerCase();
  if (isHead || /^http\/1\.[01] (204|304)/.test(head)) return true;
  const body = text.slice(end + HEAD_END.length);
  const length = /\r\ncontent-length: (\d+)\r\n/.exec(head)?.[1];
  if (length !== undefined) return body.length >= Number(length);
  return head.includes('transfer-encoding: chunked') && body.endsWith('0\r\n\r\n');
}
