import { Readable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { messageOf } from '../common/index.js';
import { ReadContent } from './read-content.js';
import { bodyOf, onBodyEnd, ReadBody } from './response-body.js';
import { type ResponseBody } from './transport.js';

const source = { service: 'users', instanceId: 'a', status: 200 };

describe('bodyOf', () => {
  it('reads a stream once, however often it is requested', async () => {
    const body = bodyOf(Readable.from([Buffer.from('{"a":'), '1}']));
    const [text, json, bytes] = await Promise.all([body.text(), body.json(), body.bytes()]);
    expect([text, json, bytes.length]).toEqual(['{"a":1}', { a: 1 }, 7]);
  });

  it('ignores a byte order mark before JSON', async () => {
    expect(await bodyOf(Readable.from([Buffer.from('\ufeff{"a":1}')])).json()).toEqual({ a: 1 });
  });

  it.each(['', '  \r\n'])('returns undefined as the JSON of %j', async (text) => {
    expect(await bodyOf(Readable.from([text])).json()).toBeUndefined();
  });

  it('shortens what is not JSON in the error, and keeps the text readable', async () => {
    const body = bodyOf(Readable.from([`<html>${'x'.repeat(1_000)}`]), source);
    const error: unknown = await body.json().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'RESPONSE_BODY', service: 'users', instanceId: 'a' });
    expect(messageOf(error).length).toBeLessThan(250);
    expect(await body.text()).toHaveLength(1_006);
  });

  it('names the source of a stream that was interrupted', async () => {
    const stream = new Readable({ read: () => undefined });
    const reading = bodyOf(stream, source).text();
    stream.destroy(new Error('cable cut'));
    await expect(reading).rejects.toMatchObject({
      code: 'TRANSPORT_FAILURE',
      neverSent: false,
      message:
        'The response of users/a was interrupted: cable cut. Find out why the connection broke. See nest-service-discovery/docs/reference/errors.md#TRANSPORT_FAILURE',
    });
  });

  it('rejects with the reason if the call was aborted', async () => {
    const controller = new AbortController();
    const stream = new Readable({ read: () => undefined });
    const reading = bodyOf(stream, { signal: controller.signal }).text();
    const reason = new Error('too late');
    controller.abort(reason);
    stream.destroy(new Error('aborted'));
    await expect(reading).rejects.toBe(reason);
  });

  describe('dump()', () => {
    it('reads the body to its end', async () => {
      const stream = Readable.from([Buffer.alloc(65_536), Buffer.alloc(65_536)]);
      await bodyOf(stream).dump();
      expect(stream.readableEnded).toBe(true);
    });

    it('destroys the body if reading on would cost more than a new connection', async () => {
      let read = 0;
      const stream = new Readable({
        read() {
          read++;
          this.push(Buffer.alloc(65_536));
        },
      });
      await bodyOf(stream).dump();
      expect(stream.destroyed).toBe(true);
      expect(read).toBeLessThan(10);
    });

    it('never rejects', async () => {
      const stream = new Readable({ read: () => undefined });
      const dumped = bodyOf(stream).dump();
      stream.destroy(new Error('cable cut'));
      await expect(dumped).resolves.toBeUndefined();
      await expect(bodyOf(stream).dump()).resolves.toBeUndefined();
    });

    it('may follow a read', async () => {
      const body = bodyOf(Readable.from(['x']));
      await body.text();
      await body.dump();
      expect(await body.text()).toBe('x');
    });
  });
});

describe('onBodyEnd', () => {
  const endOf = (body: ResponseBody): Promise<void> =>
    new Promise((resolve) => expect(onBodyEnd(body, resolve)).toBe(true));

  it('calls the listener when the stream was read to its end', async () => {
    const body = bodyOf(Readable.from(['x']));
    const ended = endOf(body);
    await body.text();
    await ended;
  });

  it('calls the listener when the stream is interrupted', async () => {
    const stream = new Readable({ read: () => undefined });
    const ended = endOf(bodyOf(stream));
    stream.destroy(new Error('cable cut'));
    await ended;
  });

  it('returns false without calling the listener if the body has already ended', async () => {
    const called = (): never => {
      throw new Error('called');
    };
    const read = bodyOf(Readable.from(['x']));
    await read.text();
    const destroyed = bodyOf(new Readable({ read: () => undefined }).destroy());
    const arrived = new ReadBody(new ReadContent(Buffer.from('x')));
    expect([read, destroyed, arrived].map((body) => onBodyEnd(body, called))).toEqual([false, false, false]);
  });

  it('creates no stream if the body reports its end itself', () => {
    const listener = (): void => undefined;
    let told: unknown;
    const body = {
      get stream(): never {
        throw new Error('a stream was made');
      },
      onEnd: (given: unknown) => {
        told = given;
        return true;
      },
    } as unknown as ResponseBody;
    expect(onBodyEnd(body, listener)).toBe(true);
    expect(told).toBe(listener);
  });
});

describe('ReadBody', () => {
  const content = new ReadContent(Buffer.from('{"a":1}'));

  it('returns a separate value to each caller', async () => {
    const body = new ReadBody(content);
    (await body.bytes()).fill(0);
    const first = await body.json<{ a: number }>();
    first.a = 2;
    expect(await new ReadBody(content).json()).toEqual({ a: 1 });
    expect(await body.text()).toBe('{"a":1}');
  });

  it('returns the same stream each time, which can be dumped', async () => {
    const body = new ReadBody(content);
    const chunks: unknown[] = [];
    for await (const chunk of body.stream) chunks.push(String(chunk));
    expect(chunks).toEqual(['{"a":1}']);
    const other = new ReadBody(content);
    await new ReadBody(content).dump();
    const { stream } = other;
    await other.dump();
    expect(stream.destroyed).toBe(true);
  });

  it('names the source of a body that is not JSON', async () => {
    const error: unknown = await new ReadBody(new ReadContent(Buffer.from('<html>'), source))
      .json()
      .catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'RESPONSE_BODY', service: 'users', instanceId: 'a' });
  });

  it('returns undefined as the JSON of an empty body', async () => {
    expect(await new ReadBody(new ReadContent(new Uint8Array())).json()).toBeUndefined();
  });
});
