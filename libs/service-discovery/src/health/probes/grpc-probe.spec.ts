import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import { type Server, type Socket } from 'node:net';
import { createSecureContext, createServer as createTlsServer } from 'node:tls';
import {
  Server as GrpcServer,
  status as grpcStatus,
  type sendUnaryData,
  ServerCredentials,
  type ServerUnaryCall,
} from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  atEnd,
  closeServers,
  instanceAt,
  listen,
  overTcp,
  pem,
  pump,
  SERVER_TLS,
} from '../../../../../test/support/probed-server.js';
import { ManualClock } from '../../testing/index.js';
import { runProbe } from '../monitor/run-probe.js';
import { decodeResponse, encodeRequest, GrpcProbe, type GrpcProbeSettings } from './grpc-probe.js';
import { type ProbeResult } from './probe.js';

afterEach(closeServers);

const { signal } = new AbortController();
const SERVING_STATUS = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];

/** Never falsy: the server treats falsy as no message. */
interface Request {
  readonly service: string;
}

/** Answer of the health service per name; a number is the status code of a failed call. */
type Said = Readonly<Record<string, string | number>>;

const METHOD = {
  path: '/grpc.health.v1.Health/Check',
  requestStream: false,
  responseStream: false,
  requestSerialize: ({ service }: Request) => Buffer.from(service),
  requestDeserialize: (message: Buffer): Request => ({ service: message.subarray(2).toString() }),
  responseSerialize: (name: string) => Buffer.from([8, SERVING_STATUS.indexOf(name)]),
  responseDeserialize: (message: Buffer) => message.toString(),
} as const;

/** A server of `@grpc/grpc-js`. */
async function grpcServer(said: Said | undefined, credentials = ServerCredentials.createInsecure()): Promise<number> {
  const server = new GrpcServer();
  if (said) {
    server.addService(
      { check: METHOD },
      {
        check: ({ request }: ServerUnaryCall<Request, string>, callback: sendUnaryData<string>) => {
          const word = said[request.service] ?? grpcStatus.NOT_FOUND;
          if (typeof word === 'number') callback({ code: word, details: 'no' });
          else callback(null, word);
        },
      },
    );
  }
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound))),
  );
  atEnd(() => Promise.resolve(server.forceShutdown()));
  return port;
}

const resultOf = (port: number, settings: GrpcProbeSettings = {}): Promise<ProbeResult> =>
  new GrpcProbe(settings).check(instanceAt(port), signal);

describe('GrpcProbe', () => {
  it('passes if the server reports SERVING', async () => {
    const port = await grpcServer({ '': 'SERVING', 'shop.v1.Users': 'SERVING' });
    const passed = { passed: true, reason: undefined, data: { status: 'SERVING' } };
    expect(await resultOf(port)).toEqual(passed);
    expect(await resultOf(port, { service: 'shop.v1.Users' })).toEqual(passed);
  });

  it('uses TLS for gRPC over TLS', async () => {
    const credentials = ServerCredentials.createSsl(null, [
      { cert_chain: Buffer.from(SERVER_TLS.cert), private_key: Buffer.from(SERVER_TLS.key) },
    ]);
    const port = await grpcServer({ '': 'SERVING' }, credentials);
    const tls = { secureContext: createSecureContext({ ca: pem('ca.pem') }) };
    const resultOver = (protocol: 'grpc' | 'grpcs'): Promise<ProbeResult> =>
      new GrpcProbe({ tls }).check(instanceAt(port, { protocol }), signal);
    expect(await resultOver('grpcs')).toMatchObject({ passed: true });
    expect(await resultOver('grpc')).toMatchObject({ passed: false });
  });

  it.each(['NOT_SERVING', 'SERVICE_UNKNOWN', 'UNKNOWN'])('fails if the server reports %s', async (word) => {
    const port = await grpcServer({ '': word });
    expect(await resultOf(port)).toEqual({ passed: false, kind: 'http', reason: word, data: { status: word } });
  });

  it('fails if the server does not know the name', async () => {
    const port = await grpcServer({ '': 'SERVING' });
    expect(await resultOf(port, { service: 'missing' })).toEqual({
      passed: false,
      kind: 'http',
      reason: 'SERVICE_UNKNOWN: the server knows no service of this name',
    });
  });

  it('fails if the server does not offer the health service', async () => {
    expect(await resultOf(await grpcServer(undefined))).toEqual({
      passed: false,
      kind: 'http',
      reason: 'UNIMPLEMENTED: the server does not offer grpc.health.v1.Health',
    });
  });

  it('fails with the status code of any other error', async () => {
    expect(await resultOf(await grpcServer({ '': grpcStatus.UNAVAILABLE }))).toMatchObject({ reason: 'UNAVAILABLE' });
    expect(await resultOf(await grpcServer({ '': grpcStatus.DATA_LOSS }))).toMatchObject({ reason: 'gRPC status 15' });
  });

  it('uses TLS if the protocol is https', async () => {
    const { cert, key } = SERVER_TLS;
    const pair = { private_key: Buffer.from(key), cert_chain: Buffer.from(cert) };
    const port = await grpcServer({ '': 'SERVING' }, ServerCredentials.createSsl(null, [pair]));
    const context = createSecureContext({ ca: pem('ca.pem') });
    expect(await resultOf(port, { protocol: 'https', tls: { secureContext: context } })).toMatchObject({
      passed: true,
    });
    expect(await resultOf(port, { protocol: 'https' })).toMatchObject({
      passed: false,
      reason: expect.stringContaining('the certificate is of an authority that is not trusted'),
    });
  });

  it('leaves no connection behind', async () => {
    const server = createHttp2Server();
    server.on('stream', (stream) => answer(stream, '0', Buffer.from('00000000020801', 'hex')));
    const closed = new Promise<void>((resolve) =>
      server.on('connection', (socket: Socket) => socket.on('close', () => resolve())),
    );
    expect(await resultOf(await listen(server))).toMatchObject({ passed: true });
    await closed;
  });

  function answer(stream: ServerHttp2Stream, code: string, body: Buffer): void {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': code }));
    stream.end(body);
  }

  const overHttp2 = (onStream: (stream: ServerHttp2Stream) => void): Promise<number> =>
    listen(createHttp2Server().on('stream', (stream) => onStream(stream.on('error', () => undefined))));

  it.each<[name: string, misbehave: (stream: ServerHttp2Stream) => void, reason: string]>([
    [
      'answers with HTTP alone',
      (stream) => (stream.respond({ ':status': 404 }), stream.end('no')),
      'HTTP status 404, which is no answer of gRPC',
    ],
    [
      'redirects',
      (stream) => (stream.respond({ ':status': 302, location: '/' }), stream.end()),
      'HTTP status 302, which is no answer of gRPC',
    ],
    [
      'sends no status',
      (stream) => (stream.respond({ ':status': 200 }), stream.end(Buffer.from('00000000020801', 'hex'))),
      'the answer ended without a gRPC status',
    ],
    [
      'sends something else',
      (stream) => answer(stream, '0', Buffer.from('<html>')),
      'the answer is not one of gRPC health',
    ],
    [
      'sends a compressed answer',
      (stream) => answer(stream, '0', Buffer.from('01000000020801', 'hex')),
      'the answer is not one of gRPC health',
    ],
    [
      'sends more than anybody reads',
      (stream) => (stream.respond({ ':status': 200 }), stream.write(Buffer.alloc(1_000_000))),
      'the answer is too long for gRPC health',
    ],
    ['resets the stream', (stream) => stream.close(2), 'Stream closed with error code NGHTTP2_INTERNAL_ERROR'],
    [
      'closes the connection',
      (stream) => stream.session?.destroy(),
      'connection closed before the answer was complete',
    ],
  ])('fails if the instance %s', async (_name, misbehave, reason) => {
    expect(await resultOf(await overHttp2(misbehave))).toMatchObject({ passed: false, reason });
  });

  it('fails if the instance does not speak HTTP/2', async () => {
    const reason = 'the answer is not HTTP/2';
    expect(await resultOf(await overTcp((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')))).toMatchObject({
      reason,
    });
    expect(await resultOf(await overTcp((socket) => pump(socket, Buffer.alloc(65_536, 0xff))))).toMatchObject({
      reason,
    });
  });

  it('fails if the instance speaks another protocol over TLS', async () => {
    const reasonFrom = async (server: Server) =>
      (await resultOf(await listen(server), { protocol: 'https', tls: { rejectUnauthorized: false } })).reason;
    expect(await reasonFrom(createTlsServer(SERVER_TLS))).toBe('the instance does not speak HTTP/2');
    expect(await reasonFrom(createHttpsServer(SERVER_TLS))).toBe('the server does not speak the protocol over TLS');
  });

  it.each<[name: string, misbehave: (stream: ServerHttp2Stream) => void]>([
    ['never answers', () => undefined],
    ['never ends', (stream) => (stream.respond({ ':status': 200 }), stream.write(Buffer.alloc(7)))],
  ])('times out if the instance %s', async (_name, misbehave) => {
    const clock = new ManualClock();
    const port = await overHttp2((stream) => {
      misbehave(stream);
      void clock.advanceAsync(1_000);
    });
    const result = await runProbe(new GrpcProbe(), instanceAt(port), { clock, timeoutMs: 1_000, signal });
    expect(result).toEqual({ passed: false, kind: 'timeout', reason: 'timed out after 1 s' });
  });
});

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');

describe('the request of gRPC health', () => {
  it.each([
    ['', '00 00000000'],
    ['a.B', '00 00000005 0a 03 612e42'],
    ['x'.repeat(200), `00 000000cb 0a c801 ${'78'.repeat(200)}`],
  ])('for %j is framed', (service, hex) => {
    expect(encodeRequest(service)).toEqual(bytes(hex));
  });
});

describe('the response of gRPC health', () => {
  it.each([
    ['00 00000000', 'UNKNOWN'],
    ['00 00000002 0801', 'SERVING'],
    ['00 00000002 0802', 'NOT_SERVING'],
    ['00 00000002 0803', 'SERVICE_UNKNOWN'],
    ['00 00000003 088100', 'SERVING'],
    ['00 00000004 0802 0801', 'SERVING'],
    ['00 0000000e 0801 10ff01 1a02aabb 2500000000', 'SERVING'],
    ['00 0000000b 09ffffffffffffffff 0801', 'SERVING'],
  ])('of %s is %s', (hex, status) => {
    expect(decodeResponse(bytes(hex))).toBe(status);
  });

  it.each([
    ['no frame', ''],
    ['half a frame', '00 0000'],
    ['a compressed one', '01 00000002 0801'],
    ['one that is longer than it says', '00 00000002 0801 00'],
    ['one that is shorter than it says', '00 00000003 0801'],
    ['a status that is none', '00 00000002 0807'],
    ['a number that goes on', '00 00000002 0881'],
    ['a number of more than 64 bits', `00 0000000d 08${'ff'.repeat(11)}01`],
    ['a text that goes on beyond the end', '00 00000004 0801 12ff'],
    ['a field of no kind', '00 00000003 0801 07'],
    ['HTML', '3c68746d6c3e'],
  ])('is not %s', (_name, hex) => {
    expect(decodeResponse(bytes(hex))).toBeUndefined();
  });
});
