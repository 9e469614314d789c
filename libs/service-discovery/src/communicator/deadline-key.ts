import { scryptSync } from 'node:crypto';
import { readTokens } from '../common/index.js';

/** The header in which a call shows that its deadline comes from a service that holds the shared token. */
export const DEADLINE_KEY_HEADER = 'x-request-deadline-key';

const SALT = 'nest-service-discovery:deadline';
const LENGTH = 16;

/**
 * The keys that stand for tokens in {@link DEADLINE_KEY_HEADER}, the first one's first. Every callee gets to see a key, so it
 * lets nobody into the registry, and is derived slowly (scrypt, some 40 ms for each token), so that guesses are dear.
 * @param tokens one token, or several separated by commas
 */
export function deadlineKeysOf(tokens: string): readonly string[] {
  return (readTokens(tokens) ?? []).map((token) => scryptSync(token, SALT, LENGTH).toString('base64url'));
}
