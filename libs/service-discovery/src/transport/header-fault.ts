import { HEADER_NAME } from '../common/index.js';

/** Characters that would let a value add another header or request. */
const LINE_BREAK = /[\r\n\0]/;

/** Why a header cannot be sent. */
export type HeaderFault = 'name' | 'line_break';

/** @param value a string, a value that is converted to one, or a list of them */
export function headerFault(name: string, value: unknown): HeaderFault | undefined {
  if (!HEADER_NAME.test(name)) return 'name';
  const lines: readonly unknown[] = Array.isArray(value) ? value : [value];
  return lines.some((line) => LINE_BREAK.test(String(line))) ? 'line_break' : undefined;
}
