import { connect, constants, type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2';
import { type Socket } from 'node:net';
import { type TLSSocket } from 'node:tls';
import { type TlsSettings } from '../../common/index.js';
import { type HttpProtocol, isSecure, originOf, type ServiceInstance } from '../../model/index.js';
import { type ConnectionDeps, openConnection } from './connection.js';
import { decodeResponse, encodeRequest } from './grpc-health.js';
import { connectionFailure } from './probe-failure.js';
import { type FailureKind, type Probe, type ProbeResult } from './probe.js';

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
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: '/grpc.health.v1.Health/Check',
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
