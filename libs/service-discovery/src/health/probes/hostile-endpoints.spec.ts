import { channel } from 'node:diagnostics_channel';
import { type Socket } from 'node:net';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { closeServers, HTTP_SETTINGS, instanceAt, overTcp, pump } from '../../../../../test/support/probed-server.js';
import { ManualClock } from '../../testing/index.js';
import { runProbe } from '../monitor/run-probe.js';
import { HttpProbe } from './http-probe.js';

const BODY_LIMIT = 10_000;
/** The body and its framing, plus what a socket delivers in one read with the head and at the end. */
const MOST_BYTES = 2 * BODY_LIMIT + 3 * 65_536;
const TIMEOUT_MS = 1_000;

/** What an endpoint does with a request; calls `isStuck` when only time can end the check. */
type Misbehaviour = (socket: Socket, isStuck: () => void) => void;

const head = (...lines: string[]): string => ['HTTP/1.1 200 OK', ...lines, '', ''].join('\r\n');
const JSON_TYPE = 'content-type: application/json';
const UNREADABLE = /^(connection closed before the answer was complete|connection reset)$/;

/** How an endpoint misbehaves, and the reason of the failure. */
const FAILING: readonly (readonly [name: string, misbehave: Misbehaviour, reason: string | RegExp])[] = [
  ['never answers', (_socket, isStuck) => isStuck(), 'timed out after 1 s'],
  [
    'drips its head a byte at a time',
    (socket, isStuck) => {
      for (const byte of 'HTTP/1.1 200 OK\r\nx-slow: ') socket.write(byte);
      isStuck();
    },
    'timed out after 1 s',
  ],
  [
    'stops in the middle of the body',
    (socket, isStuck) => socket.write(`${head(JSON_TYPE, 'content-length: 100')}[`, isStuck),
    'timed out after 1 s',
  ],
  [
    'stops within a chunk',
    (socket, isStuck) => socket.write(`${head(JSON_TYPE, 'transfer-encoding: chunked')}ff\r\n[`, isStuck),
    'timed out after 1 s',
  ],
  [
    'has headers that never end',
    (socket) => pump(afterWriting(socket, 'HTTP/1.1 200 OK\r\n'), `x: ${'a'.repeat(1_000)}\r\n`),
    'headers too large',
  ],
  [
    'has one giant header',
    (socket) => pump(afterWriting(socket, 'HTTP/1.1 200 OK\r\nx: '), 'a'.repeat(65_536)),
    'headers too large',
  ],
  [
    'has a status line that never ends',
    (socket) => pump(afterWriting(socket, 'HTTP/1.1 200 '), 'OK'.repeat(10_000)),
    /^headers too large$|^the answer is not valid HTTP$/,
  ],
  [
    'sends interim answers for ever',
    (socket) => pump(socket, 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n'),
    'too many interim responses',
  ],
  [
    'goes on with 100 Continue for ever',
    (socket) => pump(socket, 'HTTP/1.1 100 Continue\r\n\r\n'),
    'too many interim responses',
  ],
  [
    'switches to another protocol unasked',
    (socket) =>
      pump(
        afterWriting(socket, 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'),
        'a'.repeat(65_536),
      ),
    'status 101: no protocol upgrade was requested',
  ],
  ['is a mail server', (socket) => socket.end('220 smtp.example ESMTP\r\n'), 'the answer is not HTTP'],
  ['answers with noise', (socket) => pump(socket, Buffer.alloc(65_536, 0xff)), 'the answer is not HTTP'],
  ['speaks HTTP/0.9', (socket) => socket.end('<html>ok</html>'), 'the answer is not HTTP'],
  ['speaks HTTP/2', (socket) => socket.end(Buffer.from('00000400000000000000', 'hex')), 'the answer is not HTTP'],
  [
    'has a header without a name',
    (socket) => socket.end(`HTTP/1.1 200 OK\r\n: x\r\n\r\n`),
    'the answer is not valid HTTP',
  ],
  [
    'has two lengths',
    (socket) => socket.end(`${head('content-length: 2', 'content-length: 3')}{}`),
    'the answer is not valid HTTP',
  ],
  ['has a negative length', (socket) => socket.end(`${head('content-length: -2')}{}`), 'the answer is not valid HTTP'],
  [
    'has chunks of no size',
    (socket) => socket.end(`${head('transfer-encoding: chunked')}zz\r\n{}\r\n`),
    'the answer is not valid HTTP',
  ],
  [
    'has a chunk extension that never ends',
    (socket) => pump(afterWriting(socket, `${head('transfer-encoding: chunked')}1;`), 'a'.repeat(65_536)),
    /^chunk extensions too large$|^the answer is mostly framing/,
  ],
  [
    'sends a byte a chunk, each with an extension',
    (socket) => pump(afterWriting(socket, head('transfer-encoding: chunked')), `1;x=${'a'.repeat(8_000)}\r\na\r\n`),
    /^chunk extensions too large$|^the answer is mostly framing/,
  ],
  [
    'has trailers that never end',
    (socket) => pump(afterWriting(socket, `${head('transfer-encoding: chunked')}0\r\n`), `x: ${'a'.repeat(1_000)}\r\n`),
    'headers too large',
  ],
  ['closes before it answers', (socket) => socket.end(), UNREADABLE],
  ['closes in the middle of the head', (socket) => socket.end('HTTP/1.1 200 OK\r\nconten'), UNREADABLE],
  ['closes in the middle of the body', (socket) => socket.end(`${head('content-length: 9')}{`), UNREADABLE],
  ['closes within a chunk', (socket) => socket.end(`${head('transfer-encoding: chunked')}9\r\n{`), UNREADABLE],
  [
    'promises more than it sends',
    (socket) => socket.end(`${head(JSON_TYPE, 'content-length: 9000000000000')}{}`),
    UNREADABLE,
  ],
  ['resets before it answers', (socket) => void socket.resetAndDestroy(), UNREADABLE],
  [
    'resets in the middle of the body',
    (socket) => socket.write(`${head('content-length: 9')}{`, () => void socket.resetAndDestroy()),
    UNREADABLE,
  ],
  [
    'answers 10 MB',
    (socket) => pump(afterWriting(socket, head(JSON_TYPE, 'content-length: 10485760')), Buffer.alloc(65_536, 'a')),
    'the body is longer than 10000 bytes',
  ],
  [
    'has a body that never ends',
    (socket) => pump(afterWriting(socket, head(JSON_TYPE)), Buffer.alloc(65_536, 'a')),
    'the body is longer than 10000 bytes',
  ],
  [
    'has a chunked body that never ends',
    (socket) =>
      pump(afterWriting(socket, head(JSON_TYPE, 'transfer-encoding: chunked')), `1000\r\n${'a'.repeat(0x1000)}\r\n`),
    'the body is longer than 10000 bytes',
  ],
  [
    'sends broken JSON',
    (socket) => socket.end(`${head(JSON_TYPE, 'content-length: 5')}{"ok"`),
    'the body is not valid JSON',
  ],
  [
    'redirects',
    (socket) => socket.end('HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n'),
    'status 302 at /health: redirects are not followed',
  ],
  [
    'redirects to itself',
    (socket) => socket.end('HTTP/1.1 308 Permanent Redirect\r\nlocation: /health\r\ncontent-length: 0\r\n\r\n'),
    'status 308 at /health: redirects are not followed',
  ],
];

/** How a healthy endpoint is unusual, and what the check notes. */
const PASSING: readonly (readonly [name: string, misbehave: Misbehaviour, note: string | undefined])[] = [
  [
    'sends a bomb of gzip',
    (socket) => socket.end(encoded('gzip', gzipSync(Buffer.alloc(5_000_000)))),
    'the body is encoded and was not read',
  ],
  [
    'sends a bomb of brotli',
    (socket) => socket.end(encoded('br', brotliCompressSync(Buffer.alloc(5_000_000)))),
    'the body is encoded and was not read',
  ],
  [
    'nests its JSON',
    (socket) => socket.end(`${head(JSON_TYPE)}${'['.repeat(4_000)}${']'.repeat(4_000)}`),
    'the body is nested deeper than 32 levels and was not kept',
  ],
  [
    'sends more than it promises',
    (socket) => pump(afterWriting(socket, `${head(JSON_TYPE, 'content-length: 2')}{}`), 'HTTP/1.1 200 OK\r\n\r\n'),
    undefined,
  ],
  [
    'has a byte a chunk',
    (socket) => socket.end(`${head(JSON_TYPE, 'transfer-encoding: chunked')}1\r\n{\r\n1\r\n}\r\n0\r\n\r\n`),
    undefined,
  ],
  ['speaks HTTP/1.0', (socket) => socket.end(`HTTP/1.0 200 OK\r\n${JSON_TYPE}\r\n\r\n{}`), undefined],
  ['says nothing but its status', (socket) => socket.end('HTTP/1.1 204 No Content\r\n\r\n'), undefined],
];

function afterWriting(socket: Socket, start: string): Socket {
  socket.write(start);
  return socket;
}

function encoded(encoding: string, body: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from(head(JSON_TYPE, `content-encoding: ${encoding}`, `content-length: ${body.length}`)),
    body,
  ]);
}

/** Connections opened by this process. */
let opened: Socket[];
const remember = (message: unknown): void => void opened.push((message as { socket: Socket }).socket);
beforeEach(() => {
  opened = [];
  channel('net.client.socket').subscribe(remember);
});
afterEach(async () => {
  channel('net.client.socket').unsubscribe(remember);
  await closeServers();
});

describe('a check of an HTTP endpoint', () => {
  async function checkOf(misbehave: Misbehaviour) {
    const clock = new ManualClock();
    const probe = new HttpProbe({ ...HTTP_SETTINGS, bodyLimit: BODY_LIMIT });
    let isStuck!: () => void;
    const stuck = new Promise<void>((resolve) => (isStuck = resolve));
    const port = await overTcp((socket) => misbehave(socket, isStuck));
    const result = runProbe(probe, instanceAt(port), {
      clock,
      timeoutMs: TIMEOUT_MS,
      signal: new AbortController().signal,
    });
    // Only an endless response may take time; everything else must be decided without the timeout.
    await Promise.race([result, stuck.then(() => clock.advanceAsync(TIMEOUT_MS))]);
    return { result: await result, clock };
  }

  /** Opened a single connection, read no more than allowed, and left nothing behind. */
  async function expectBounds(clock: ManualClock): Promise<void> {
    expect(opened).toHaveLength(1);
    const [socket] = opened;
    if (!socket!.closed) await new Promise((resolve) => socket!.once('close', resolve));
    expect(socket!.bytesRead).toBeLessThanOrEqual(MOST_BYTES);
    expect(clock.pendingTimers).toBe(0);
  }

  it.each(FAILING)('that %s fails with the reason', async (_name, misbehave, reason) => {
    const { result, clock } = await checkOf(misbehave);
    expect(result).toMatchObject({
      passed: false,
      reason: typeof reason === 'string' ? reason : expect.stringMatching(reason),
    });
    await expectBounds(clock);
  });

  it.each(PASSING)('that %s passes and notes what is unusual', async (_name, misbehave, note) => {
    const { result, clock } = await checkOf(misbehave);
    expect(result).toMatchObject({ passed: true });
    expect(result.reason).toBe(note);
    await expectBounds(clock);
  });
});
