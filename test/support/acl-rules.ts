import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The rights that the README says a user of Redis needs, for the namespace `shop`. */
export async function rulesOfReadme(): Promise<string[]> {
  const readme = await readFile(join(import.meta.dirname, '../../README.md'), 'utf8');
  const [, rules] = /^ACL SETUSER shop on >secret ([^`]+)```/m.exec(readme) ?? [];
  if (rules === undefined) throw new Error('README.md says no more which rights a user needs');
  return rules.trim().split(/\s+/);
}
