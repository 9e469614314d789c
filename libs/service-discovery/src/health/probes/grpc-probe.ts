import { type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2';
import { type Socket } from 'node:net';
import { type TLSSocket } from 'node:tls';
import { type TlsSettings } from '../../common/index.js';
import { type HttpProtocol, isSecure, originOf, type ServiceInstance } from '../../model/index.js';
import { type ConnectionDeps, openConnection } from './tcp-probe.js';
import { connectionFailure, type FailureKind, type Probe, type ProbeResult } from './probe.js';

/** What a gRPC health check asks, and where. */
export interface GrpcProbeSettings {
  /** @default '', which stands for the whole server */
  readonly service?: string;
  /** @default the instance's port */
  readonly port?: number;
  /** `https` for TLS. @default the instance's */
  readonly protocol?: HttpProtocol;
  readonly tls?: TlsSettings;
}

/** The response to a call. */
interface GrpcAnswer {
  readonly headers: IncomingHttpHeaders;
  readonly trailers: IncomingHttpHeaders;
  readonly body: Buffer;
}

const ALPN_PROTOCOLS = ['h2'];
/** A response takes seven bytes; newer versions may add fields. */
const LONGEST_BODY_BYTES = 1_024;
const LONGEST_HEAD_BYTES = 16_384;

/** gRPC status codes with a meaning specific to the health service. */
const REASONS: Readonly<Record<string, string>> = {
  5: 'SERVICE_UNKNOWN: the server knows no service of this name',
  12: 'UNIMPLEMENTED: the server does not offer grpc.health.v1.Health',
  14: 'UNAVAILABLE',
  16: 'UNAUTHENTICATED',
};

/**
 * Calls `grpc.health.v1.Health/Check` over a connection of its own; see the gRPC health checking protocol. Never
 * throws.
 *
 * Uses Node's HTTP/2 instead of a gRPC client, which resolves names, connects, follows proxies and reuses connections
 * on its own: the connection could not be pinned to the address that was checked, and a check would not prove that new
 * connections still open. The two messages are only a few bytes.
 */
export class GrpcProbe implements Probe {
  private readonly request: Buffer;

  constructor(
    private readonly settings: GrpcProbeSettings = {},
    private readonly deps: ConnectionDeps = {},
  ) {
    this.request = encodeRequest(settings.service ?? '');
  }

  async check(instance: ServiceInstance, signal: AbortSignal): Promise<ProbeResult> {
    const { port = instance.port, protocol: given = instance.protocol, tls } = this.settings;
    const protocol = isSecure(given) ? 'https' : 'http';
    let socket: Socket | undefined;
    let session: ClientHttp2Session | undefined;
    try {
      // Loaded when it is used: 9 ms and up to 5 MB of a process that checks nothing by gRPC. Before the connection is opened,
      // which could end in the turn that the first load takes.
      const { connect } = await import('node:http2');
      const secure = protocol === 'https' ? { ...tls, alpnProtocols: ALPN_PROTOCOLS } : undefined;
      socket = await openConnection({ host: instance.host, port }, secure, signal, this.deps);
      if (secure && (socket as TLSSocket).alpnProtocol !== 'h2')
        return failed('the instance does not speak HTTP/2', 'tcp');
      const opened = socket;
      session = connect(originOf({ protocol, host: instance.host, port }), {
        createConnection: () => opened,
        maxSessionMemory: 1,
        settings: { enablePush: false, maxHeaderListSize: LONGEST_HEAD_BYTES },
      });
      return judge(await ask(session, this.request, signal));
    } catch (error) {
      return connectionFailure(error, signal, protocol === 'https' && !socket?.bytesRead);
    } finally {
      session?.destroy();
      socket?.destroy();
    }
  }
}

function ask(session: ClientHttp2Session, request: Buffer, signal: AbortSignal): Promise<GrpcAnswer> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    const settled = (): void => signal.removeEventListener('abort', onAbort);
    session.on('error', reject);
    const stream = session.request({
      ':method': 'POST',
      ':path': '/grpc.health.v1.Health/Check',
      'content-type': 'application/grpc',
      te: 'trailers',
      'user-agent': 'nest-service-discovery-health-check',
    });
    let headers: IncomingHttpHeaders = {};
    let trailers: IncomingHttpHeaders = {};
    const chunks: Buffer[] = [];
    let length = 0;
    stream.on('response', (head) => (headers = head as IncomingHttpHeaders));
    stream.on('trailers', (tail) => (trailers = tail as IncomingHttpHeaders));
    stream.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > LONGEST_BODY_BYTES) reject(new Error('the answer is too long for gRPC health'));
      else chunks.push(chunk);
    });
    stream.on('error', reject);
    stream.on('close', () => {
      settled();
      if (headers[':status'] !== undefined) resolve({ headers, trailers, body: Buffer.concat(chunks) });
      reject(new Error('connection closed before the answer was complete'));
    });
    stream.end(request);
  });
}

function judge({ headers, trailers, body }: GrpcAnswer): ProbeResult {
  const statusCode = Number(headers[':status']);
  if (statusCode !== 200) return { ...failed(`HTTP status ${statusCode}, which is no answer of gRPC`), statusCode };
  // A trailers-only response carries the status in its headers.
  const code = trailers['grpc-status'] ?? headers['grpc-status'];
  if (code === undefined) return failed('the answer ended without a gRPC status');
  if (code !== '0') return failed(REASONS[String(code)] ?? `gRPC status ${String(code)}`);
  const status = decodeResponse(body);
  if (status === undefined) return failed('the answer is not one of gRPC health');
  return { ...(status === 'SERVING' ? { passed: true } : failed(status)), data: { status } };
}

function failed(reason: string, kind: FailureKind = 'http'): ProbeResult {
  return { passed: false, kind, reason };
}

/**
 * The two messages of `grpc.health.v1.Health/Check` and the gRPC frame: one byte for compression, four for the length.
 */
const FRAME_BYTES = 5;
const STATUSES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'] as const;

type ServingStatus = (typeof STATUSES)[number];

/** `HealthCheckRequest { string service = 1 }`, framed. @param service at most 256 ASCII characters */
export function encodeRequest(service: string): Buffer {
  const name = Buffer.from(service, 'latin1');
  const message = name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a, ...varint(name.length)]), name]);
  const frame = Buffer.alloc(FRAME_BYTES);
  frame.writeUInt32BE(message.length, 1);
  return Buffer.concat([frame, message]);
}

/** Decodes a framed `HealthCheckResponse { ServingStatus status = 1 }`; undefined if malformed. */
export function decodeResponse(body: Buffer): ServingStatus | undefined {
  if (body.length < FRAME_BYTES || body[0] !== 0 || body.readUInt32BE(1) !== body.length - FRAME_BYTES)
    return undefined;
  let status = 0;
  let at = FRAME_BYTES;
  const readVarint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = body[at++];
      // A body that ends inside a varint is malformed. A varint that is too long exceeds every valid status and length.
      if (byte === undefined) return Number.NaN;
      value += (byte % 128) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < body.length) {
    const tag = readVarint();
    const kind = tag % 8;
    // Skip fields of newer versions of the message.
    if (kind === 0) {
      const value = readVarint();
      if (tag === 0x08) status = value;
      if (Number.isNaN(value)) return undefined;
    } else if (kind === 1) at += 8;
    else if (kind === 2) {
      const length = readVarint();
      at += length;
    } else if (kind === 5) at += 4;
    else return undefined;
  }
  return at === body.length ? STATUSES[status] : undefined;
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
}
