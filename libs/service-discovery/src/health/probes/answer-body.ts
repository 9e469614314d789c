import { isDeeper } from '../../common/index.js';
import { type HttpAnswer } from './http-exchange.js';

/** Deeper JSON is dropped: serializing it recurses, and a response must not overflow the stack of a reader. */
const MAX_DATA_DEPTH = 32;

/** The parsed body of a response. */
export interface AnswerBody {
  /** The text that was read; empty if the body is encoded. */
  readonly text: string;
  /** Set if the body is JSON. */
  readonly data?: unknown;
}

/** A body together with its problems. */
export interface ReadBody extends AnswerBody {
  /** Why the response fails the check. */
  readonly flaw?: string;
  /** Why the body was not kept although it may be fine. */
  readonly note?: string;
}

/** @param limit how many bytes are read; 0: none, by configuration */
export function bodyOf({ headers, body, cut }: HttpAnswer, limit: number): ReadBody {
  const encoding = headers['content-encoding'] ?? 'identity';
  if (body.length > 0 && !/^identity$/i.test(encoding)) {
    // A few encoded bytes can decode to gigabytes, and the request did not accept any encoding.
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
