import { Client, type Dispatcher } from 'undici';

/** One event of a stream; `ping` is a comment. */
export interface ReadEvent {
  readonly type: string;
  readonly id?: string;
  readonly data: EventData;
}

/** Fields that tests read from the JSON of events; each event has some of them. */
interface EventData {
  readonly type: string;
  readonly revision: number;
  readonly instances: readonly unknown[];
  readonly instance: unknown;
}

/** Reads an event stream over its own socket, with a parser independent of the library's. */
export class EventReader {
  private readonly frames: AsyncIterator<ReadEvent>;

  private constructor(
    readonly response: Dispatcher.ResponseData,
    private readonly client: Client,
  ) {
    this.frames = framesOf(response.body);
  }

  /** @param json the body of a `POST`; without one it is a `GET` */
  static async open(url: string, headers: Record<string, string> = {}, json?: object): Promise<EventReader> {
    const { origin, pathname, search } = new URL(url);
    const client = new Client(origin);
    const path = pathname + search;
    const response = await client.request(
      json
        ? {
            method: 'POST',
            path,
            headers: { 'content-type': 'application/json', ...headers },
            body: JSON.stringify(json),
          }
        : { method: 'GET', path, headers },
    );
    return new EventReader(response, client);
  }

  /** The next event; undefined at the end of the stream. */
  async next(): Promise<ReadEvent | undefined> {
    const result = await this.frames.next();
    return result.done ? undefined : result.value;
  }

  async close(): Promise<void> {
    await this.client.destroy();
  }
}

async function* framesOf(body: AsyncIterable<Buffer>): AsyncGenerator<ReadEvent, void, undefined> {
  let text = '';
  for await (const chunk of body) {
    text += chunk.toString();
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const frame = text.slice(0, end);
      text = text.slice(end + 2);
      const data = /^data: (.*)$/m.exec(frame)?.[1];
      const id = /^id: (.*)$/m.exec(frame)?.[1];
      yield {
        id,
        type: /^event: (.*)$/m.exec(frame)?.[1] ?? 'ping',
        data: data === undefined ? frame : JSON.parse(data),
      };
    }
  }
}
