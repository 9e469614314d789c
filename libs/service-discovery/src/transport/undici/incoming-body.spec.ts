import { beforeAll, describe, expect, it } from '@jest/globals';
import { type BodyFlow, IncomingBody } from './incoming-body.js';
import { loadUndici } from './load-undici.js';

beforeAll(loadUndici);

/** The network side of a body. */
class FakeController implements BodyFlow {
  paused = false;
  reason: Error | null = null;
  body!: IncomingBody;

  get aborted(): boolean {
    return this.reason !== null;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  abort(reason: Error): void {
    if (this.aborted) return;
    this.reason = reason;
    this.body.fail(reason);
  }
}

function incoming(signal?: AbortSignal): { body: IncomingBody; network: FakeController } {
  const network = new FakeController();
  const body = new IncomingBody(network, { service: 'users', instanceId: 'a', status: 200 }, signal);
  network.body = body;
  return { body, network };
}

const KIB = 1_024;

describe('IncomingBody', () => {
  it('releases its call once it is complete', () => {
    const { signal } = new AbortController();
    const { body, network } = incoming(signal);
    const held = (): unknown[] => Object.values(body) as unknown[];
    expect(held()).toEqual(expect.arrayContaining([network, signal]));
    body.finish();
    expect(held().filter((value) => value === network || value === signal)).toEqual([]);
  });

  it('has nothing to read synchronously before it is complete', () => {
    const { body } = incoming();
    body.push(Buffer.from('{"a":'));
    expect(body.arrived).toBeUndefined();
    body.push(Buffer.from('1}'));
    body.finish();
    expect(body.arrived?.json()).toEqual({ a: 1 });
  });

  it('returns what arrives after it was requested, however often', async () => {
    const { body } = incoming();
    const reading = Promise.all([body.text(), body.json(), body.bytes()]);
    body.push(Buffer.from('[1]'));
    body.finish();
    expect(await reading).toEqual(['[1]', [1], Buffer.from('[1]')]);
    expect(await body.text()).toBe('[1]');
  });

  it('names the source of a body that is not JSON', async () => {
    const { body } = incoming();
    body.push(Buffer.from('<html>'));
    body.finish();
    await expect(body.json()).rejects.toMatchObject({ code: 'RESPONSE_BODY', service: 'users', instanceId: 'a' });
  });

  describe('while it is not being read', () => {
    it('buffers 64 KiB, then pauses the connection', () => {
      const { body, network } = incoming();
      body.push(Buffer.alloc(64 * KIB - 1));
      expect(network.paused).toBe(false);
      body.push(Buffer.alloc(1));
      expect(network.paused).toBe(true);
    });

    it('resumes the connection when it is read, and does not pause again', async () => {
      const { body, network } = incoming();
      body.push(Buffer.alloc(64 * KIB, 'x'));
      const text = body.text();
      expect(network.paused).toBe(false);
      body.push(Buffer.alloc(64 * KIB, 'x'));
      expect(network.paused).toBe(false);
      body.finish();
      expect(await text).toHaveLength(128 * KIB);
    });

    it('may be interrupted, which is an error only for a later reader', async () => {
      const { body } = incoming();
      body.push(Buffer.from('half'));
      body.fail(new Error('cable cut'));
      const message = 'The response of users/a was interrupted: cable cut';
      await expect(body.text()).rejects.toMatchObject({ code: 'TRANSPORT_FAILURE', neverSent: false });
      await expect(body.text()).rejects.toThrow(message);
      await expect(body.stream.toArray()).rejects.toThrow(message);
      await expect(body.dump()).resolves.toBeUndefined();
    });
  });

  it('rejects with the reason if the call was aborted', async () => {
    const reason = new Error('too late');
    const { body } = incoming(AbortSignal.abort(reason));
    const reading = body.text();
    body.fail(new Error('aborted'));
    await expect(reading).rejects.toBe(reason);
  });

  describe('as a stream', () => {
    it('yields the buffered data and what follows', async () => {
      const { body } = incoming();
      body.push(Buffer.from('first '));
      const chunks = body.stream.toArray();
      body.push(Buffer.from('last'));
      body.finish();
      expect(String(Buffer.concat((await chunks) as Buffer[]))).toBe('first last');
      expect(body.arrived).toBeUndefined();
    });

    it('pauses the connection only while it is not being read', async () => {
      const { body, network } = incoming();
      const { stream } = body;
      body.push(Buffer.alloc(63 * KIB));
      expect(network.paused).toBe(false);
      body.push(Buffer.alloc(KIB));
      expect(network.paused).toBe(true);
      await new Promise<void>((resolve) => stream.once('data', () => resolve()));
      expect(network.paused).toBe(false);
    });

    it('pauses the connection at once if enough is buffered', () => {
      const { body, network } = incoming();
      body.push(Buffer.alloc(64 * KIB));
      expect(body.stream.readableLength).toBe(64 * KIB);
      expect(network.paused).toBe(true);
    });

    it('aborts the request when it is destroyed', () => {
      const { body, network } = incoming();
      body.stream.destroy();
      expect(network.aborted).toBe(true);
    });

    it('leaves the connection open after it was read to its end', async () => {
      const { body, network } = incoming();
      const chunks = body.stream.toArray();
      body.finish();
      expect(await chunks).toEqual([]);
      expect(body.stream.destroyed).toBe(true);
      expect(network.aborted).toBe(false);
    });

    it('is interrupted with its cause, without an unhandled error', async () => {
      const { body } = incoming();
      const cause = new Error('cable cut');
      const { stream } = body;
      body.fail(cause);
      expect(stream.errored).toBe(cause);
      await expect(body.text()).rejects.toMatchObject({ code: 'TRANSPORT_FAILURE' });
    });

    it('can still be read as a whole', async () => {
      const { body } = incoming();
      expect(body.stream).toBe(body.stream);
      const text = body.text();
      body.push(Buffer.from('x'));
      body.finish();
      expect(await text).toBe('x');
    });

    it('yields again what was read or is being read', async () => {
      const { body } = incoming();
      const text = body.text();
      const during = body.stream.toArray();
      body.push(Buffer.from('x'));
      body.finish();
      expect([await text, String((await during)[0])]).toEqual(['x', 'x']);

      const later = incoming().body;
      later.push(Buffer.from('y'));
      later.finish();
      expect(String((await later.stream.toArray())[0])).toBe('y');
      expect(await later.text()).toBe('y');
    });

    it('is empty for an empty body', async () => {
      const { body } = incoming();
      body.finish();
      expect(await body.stream.toArray()).toEqual([]);
    });
  });

  describe('dump()', () => {
    it('reads on without keeping the data', async () => {
      const { body, network } = incoming();
      body.push(Buffer.alloc(64 * KIB));
      const dumped = body.dump();
      expect(network.paused).toBe(false);
      body.push(Buffer.alloc(64 * KIB));
      body.finish();
      await dumped;
      expect(network.aborted).toBe(false);
      expect(body.arrived).toBeUndefined();
      await expect(body.text()).rejects.toThrow('The response of users/a was interrupted: The body was discarded');
    });

    it('closes the connection if reading on would cost more than a new one', async () => {
      const { body, network } = incoming();
      const dumped = body.dump();
      body.push(Buffer.alloc(128 * KIB));
      expect(network.aborted).toBe(false);
      body.push(Buffer.alloc(1));
      await dumped;
      expect(network.aborted).toBe(true);
    });

    it('does not affect a reader', async () => {
      const { body } = incoming();
      const text = body.text();
      const dumped = body.dump();
      body.push(Buffer.alloc(200 * KIB, 'x'));
      body.finish();
      await dumped;
      expect(await text).toHaveLength(200 * KIB);
    });

    it('destroys the stream', async () => {
      const { body, network } = incoming();
      const { stream } = body;
      const dumped = body.dump();
      body.push(Buffer.alloc(200 * KIB));
      await dumped;
      expect(stream.destroyed).toBe(true);
      expect(network.aborted).toBe(true);
    });

    it('keeps a body that is already complete', async () => {
      const { body } = incoming();
      body.push(Buffer.from('x'));
      body.finish();
      await body.dump();
      expect(await body.text()).toBe('x');
    });
  });

  describe('onEnd()', () => {
    it('calls each listener once, for any kind of end', () => {
      for (const how of ['finish', 'fail'] as const) {
        const { body } = incoming();
        let told = 0;
        expect([body.onEnd(() => told++), body.onEnd(() => told++)]).toEqual([true, true]);
        if (how === 'finish') body.finish();
        else body.fail(new Error('cable cut'));
        expect(told).toBe(2);
        expect(body.onEnd(() => told++)).toBe(false);
        expect(told).toBe(2);
      }
    });

    it('does not wait for a reader of the stream', () => {
      const { body } = incoming();
      expect(body.stream.readableFlowing).toBeNull();
      let told = false;
      body.onEnd(() => (told = true));
      body.finish();
      expect(told).toBe(true);
    });
  });
});
