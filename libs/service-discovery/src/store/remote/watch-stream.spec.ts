import { describe, expect, it } from '@jest/globals';
import { readEventStream, type StreamedEvent } from './watch-stream.js';

async function* chunksOf(text: string, size: number): AsyncGenerator<string> {
  for (let start = 0; start < text.length; start += size) yield text.slice(start, start + size);
}

async function read(chunks: AsyncIterable<string>): Promise<StreamedEvent[]> {
  const events: StreamedEvent[] = [];
  for await (const event of readEventStream(chunks)) events.push(event);
  return events;
}

describe('readEventStream', () => {
  const stream = [
    ': a comment',
    'event: change',
    'data: {"a":1}',
    '',
    ': ping',
    '',
    'data:without a space',
    'data:  two lines, a space kept',
    'id: 7',
    'retry: 10',
    'data',
    '',
    'event: without data',
    '',
    'event: change',
    'data: after',
    '',
    'data: cut off by the end',
  ];
  const events: StreamedEvent[] = [
    { type: 'change', data: '{"a":1}' },
    { type: 'message', data: 'without a space\n two lines, a space kept\n' },
    { type: 'change', data: 'after' },
  ];

  it.each([
    ['LF', '\n'],
    ['CRLF', '\r\n'],
    ['CR', '\r'],
  ])('parses the same events however they are split, with lines that end in %s', async (_name, end) => {
    const text = stream.join(end);
    for (const size of [1, 2, 3, 7, 64, text.length]) expect(await read(chunksOf(text, size))).toEqual(events);
  });

  it.each([
    ['long lines', `data: ${'x'.repeat(1_000_000)}\n`],
    ['empty lines', 'data:\n'.repeat(10_000)],
  ])('gives up an event of %s that never ends', async (_what, chunk) => {
    let chunks = 0;
    async function* endless(): AsyncGenerator<string> {
      for (; chunks < 2_000; chunks++) yield chunk;
    }
    await expect(read(endless())).rejects.toThrow('an event is longer than 134217728 characters');
    expect(chunks).toBeLessThan(1_000);
  });

  it('parses a long line in linear time', async () => {
    const data = 'x'.repeat(20_000_000);
    const [event] = await read(chunksOf(`data: ${data}\n\n`, 65_536));
    expect(event?.data.length).toBe(data.length);
  });
});
