import { describe, expect, it } from '@jest/globals';
import { ReadBody } from './read-body.js';
import { ReadContent } from './read-content.js';

const source = { service: 'users', instanceId: 'a', status: 200 };

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
