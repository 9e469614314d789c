import { appendFileSync } from 'node:fs';
import { INSTANCE } from './instance.js';

/**
 * DEMO ONLY, do not copy: records what this instance did in a file shared by all processes (JOURNAL, none by default),
 * so that actions that were lost or repeated can be counted.
 */
export function note(deed: string, id: string): void {
  const { JOURNAL } = process.env;
  if (JOURNAL) appendFileSync(JOURNAL, `${deed} ${id} ${INSTANCE}\n`);
}
