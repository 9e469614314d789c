import { appendFileSync } from 'node:fs';
import { INSTANCE } from './instance.js';

/**
 * DEMO ONLY, leave it out of what you copy: writes down in one file of all processes (JOURNAL, none by default) what this
 * instance did, so that whoever watches can count what was done twice, or not at all.
 */
export function note(deed: string, id: string): void {
  const { JOURNAL } = process.env;
  if (JOURNAL) appendFileSync(JOURNAL, `${deed} ${id} ${INSTANCE}\n`);
}
