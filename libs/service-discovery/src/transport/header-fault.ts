import { HEADER_NAME } from '../common/index.js';

/** A line break would start a header, or a request, of the value's own. */
const LINE_BREAK = /[\r\n\0]/;

/** What keeps a header from being sent; undefined where nothing does. */
export type HeaderFault = 'name' | 'line_break';

/** @param value a text, what becomes one, or a list of lines */
export function headerFault(name: string, value: unknown): HeaderFault | undefined {
  if (!HEADER_NAME.test(name)) return 'name';
  const lines: readonly unknown[] = Array.isArray(value) ? value : [value];
  return lines.some((line) => LINE_BREAK.test(String(line))) ? 'line_break' : undefined;
}
