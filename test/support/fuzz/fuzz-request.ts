/** How the end of a body is told. The wrong ones contradict the body. */
type Framing =
  'length' | 'chunked' | 'no-length' | 'too-short' | 'too-long' | 'length-and-chunked' | 'two-lengths' | 'bad-chunks';

/** A request while it is put together; mutations change it. */
export interface FuzzRequest {
  /** The operation that it began as, for the report. */
  readonly operation: string;
  method: string;
  /** Path and query as they are sent. */
  target: string;
  version: string;
  readonly headers: [name: string, value: string][];
  body: Buffer | undefined;
  framing: Framing;
}

/** A request as it is sent. */
export interface Message {
  readonly operation: string;
  readonly bytes: Buffer;
  /** Whether a server can tell where it ends, so that its connection takes another one. */
  readonly isWhole: boolean;
  readonly isHead: boolean;
}

/** The bytes of a request. */
export function toMessage({ operation, method, target, version, headers, body, framing }: FuzzRequest): Message {
  const framed = body === undefined ? { headers: [], bytes: Buffer.alloc(0) } : frame(body, framing);
  const lines = [...headers, ...framed.headers].map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const head = Buffer.from(`${method} ${target} ${version}\r\n${lines}\r\n`, 'latin1');
  const isWhole = body === undefined || framing === 'length' || framing === 'chunked';
  return { operation, bytes: Buffer.concat([head, framed.bytes]), isWhole, isHead: method === 'HEAD' };
}

function frame(body: Buffer, framing: Framing): { headers: [string, string][]; bytes: Buffer } {
  const length = (bytes: number): [string, string] => ['content-length', String(bytes)];
  const chunked: [string, string] = ['transfer-encoding', 'chunked'];
  switch (framing) {
    case 'length':
      return { headers: [length(body.length)], bytes: body };
    case 'too-short':
      return { headers: [length(Math.floor(body.length / 2))], bytes: body };
    case 'too-long':
      return { headers: [length(body.length + 10)], bytes: body };
    case 'two-lengths':
      return { headers: [length(body.length), length(body.length + 1)], bytes: body };
    case 'no-length':
      return { headers: [], bytes: body };
    case 'chunked':
      return { headers: [chunked], bytes: chunksOf(body) };
    case 'length-and-chunked':
      return { headers: [length(body.length), chunked], bytes: chunksOf(body) };
    case 'bad-chunks':
      return { headers: [chunked], bytes: Buffer.concat([Buffer.from('fffffffffffffffff\r\n'), body]) };
  }
}

function chunksOf(body: Buffer): Buffer {
  const half = Math.ceil(body.length / 2);
  const chunks = [body.subarray(0, half), body.subarray(half)].filter(({ length }) => length > 0);
  const framed = chunks.map((chunk) =>
    Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')]),
  );
  return Buffer.concat([...framed, Buffer.from('0\r\n\r\n')]);
}
