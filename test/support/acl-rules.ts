import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The permissions that `docs/redis.md` lists for a Redis user, for the namespace `shop`. */
export async function documentedRules(): Promise<string[]> {
  const page = await readFile(join(import.meta.dirname, '../../docs/redis.md'), 'utf8');
  const [, rules] = /^ACL SETUSER shop on >secret ([^`]+)```/m.exec(page) ?? [];
  if (rules === undefined) throw new Error('docs/redis.md no longer says which rights a user needs');
  return rules.trim().split(/\s+/);
}
