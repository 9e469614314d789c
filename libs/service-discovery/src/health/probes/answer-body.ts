import { type HttpAnswer } from './http-exchange.js';

/** Deeper JSON is not kept: whoever writes it out again recurses, and an answer must not overflow their stack. */
const MAX_DATA_DEPTH = 32;

/** What was made of the body of an answer. */
export interface AnswerBody {
  /** What was read of it; empty for an encoded one. */
  readonly text: string;
  /** Where it is JSON. */
  readonly data?: unknown;
}

/** The same, and what is wrong with it. */
export interface ReadBody extends AnswerBody {
  /** Why no health endpoint answers so. */
  readonly flaw?: string;
  /** Why it was not kept, though there may be nothing wrong with it. */
  readonly note?: string;
}

/** @param limit how many bytes are read; 0: none, on purpose */
export function bodyOf({ headers, body, cut }: HttpAnswer, limit: number): ReadBody {
  const encoding = headers['content-encoding'] ?? 'identity';
  if (body.length > 0 && !/^identity$/i.test(encoding)) {
    // A few bytes can stand for gigabytes, and nobody asked for it.
    return { text: '', note: 'the body is encoded and was not read' };
  }
  const text = body.toString('utf8');
  if (cut) return limit === 0 ? { text } : { text, flaw: `the body is longer than ${limit} bytes` };
  const declared = headers['content-type'];
  if (text === '' || (declared !== undefined && !/^[^;]*[/+]json\b/i.test(declared))) return { text };
  return { text, ...parse(text, declared !== undefined) };
}

function parse(text: string, declared: boolean): Omit<ReadBody, 'text'> {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    return declared ? { flaw: 'the body is not valid JSON' } : {};
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
