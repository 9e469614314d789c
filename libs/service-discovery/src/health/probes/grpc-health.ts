/**
 * The two messages of `grpc.health.v1.Health/Check` and the gRPC frame: one byte for compression, four for the length.
 */
const FRAME_BYTES = 5;
const STATUSES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'] as const;

export type ServingStatus = (typeof STATUSES)[number];

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
