import { HEADER_NAME, isHopByHop, isRecord, type OptionValidator } from '../../common/index.js';

const HEADER_LIMIT = 32;
const NAME_LIMIT = 64;
const VALUE_LIMIT = 1_024;
const TOTAL_LIMIT_BYTES = 8_192;

/** Headers for routing and framing, beside those for a single hop. */
const OF_THE_CONNECTION: ReadonlySet<string> = new Set(['accept-encoding', 'expect', 'host']);

/** Parses headers, with lower-case names. Problems never show a value: it may be a secret. */
export function readHeaders(check: OptionValidator, path: string, given: unknown): Record<string, string> {
  if (!isRecord(given)) {
    check.problem(path, '***', 'an object of header values by name');
    return {};
  }
  const entries = Object.entries(given);
  const size = entries.reduce((sum, [name, value]) => sum + name.length + String(value).length, 0);
  if (entries.length > HEADER_LIMIT || size > TOTAL_LIMIT_BYTES) {
    check.problem(path, '***', `at most ${HEADER_LIMIT} headers of ${TOTAL_LIMIT_BYTES} bytes in all`);
    return {};
  }
  const headers = new Map<string, string>();
  for (const [name, value] of entries) {
    const expected = findProblem(name, value, headers);
    if (expected) check.problem(`${path}.${name}`, '***', expected);
    else headers.set(name.toLowerCase(), value as string);
  }
  return Object.fromEntries(headers);
}

/** What is allowed instead; undefined if the header is valid. */
function findProblem(name: string, value: unknown, before: ReadonlyMap<string, string>): string | undefined {
  if (!HEADER_NAME.test(name) || name.length > NAME_LIMIT) {
    return `the name of a header, of at most ${NAME_LIMIT} letters, digits and dashes`;
  }
  if (name.toLowerCase() === 'host') return 'no header of this name: the host has an option of its own';
  const lowerCase = name.toLowerCase();
  if (OF_THE_CONNECTION.has(lowerCase) || isHopByHop(lowerCase))
    return 'no header of this name: it belongs to the connection';
  if (before.has(name.toLowerCase())) return 'each header once, whatever its case';
  if (typeof value !== 'string' || value.length > VALUE_LIMIT || !/^[\t\x20-\x7e]*$/.test(value)) {
    return `a text of at most ${VALUE_LIMIT} printable ASCII characters`;
  }
  return undefined;
}
