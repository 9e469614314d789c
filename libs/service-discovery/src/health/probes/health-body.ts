/** Deeper JSON is not kept: whoever writes it out again recurses, and an answer must not overflow their stack. */
const MAX_DATA_DEPTH = 32;

/** The data of a body, or what was odd about it. Both are left out for a body that is no JSON and says so. */
export interface BodyFindings {
  readonly data?: unknown;
  readonly note?: string;
}

/**
 * Reads a body up to a limit and keeps it where it is JSON. Leaving the rest unread is up to whoever owns the stream.
 * @throws the stream's error when it breaks off
 */
export async function readHealthBody(
  body: AsyncIterable<Uint8Array>,
  contentType: string | undefined,
  limit: number,
): Promise<BodyFindings> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > limit) return limit === 0 ? {} : { note: `the body is longer than ${limit} bytes and was not kept` };
    chunks.push(chunk);
  }
  const declared = contentType !== undefined;
  if (length === 0 || (declared && !/^[^;]*[/+]json\b/i.test(contentType))) return {};
  return parse(Buffer.concat(chunks).toString('utf8'), declared);
}

function parse(text: string, declared: boolean): BodyFindings {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    return declared ? { note: 'the body is not valid JSON' } : {};
  }
  return isDeeper(data, MAX_DATA_DEPTH)
    ? { note: `the body is nested deeper than ${MAX_DATA_DEPTH} levels and was not kept` }
    : { data };
}

function isDeeper(value: unknown, limit: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > limit) return true;
    level = level.flatMap((node) =>
      typeof node === 'object' && node !== null ? Object.values(node as Record<string, unknown>).filter(isNode) : [],
    );
  }
  return false;
}

function isNode(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}
