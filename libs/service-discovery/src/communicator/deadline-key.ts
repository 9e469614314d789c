import { scryptSync } from 'node:crypto';
import { readTokens } from '../common/index.js';

/** The header in which a call shows that its deadline comes from a service that holds the shared token. */
export const DEADLINE_KEY_HEADER = 'x-request-deadline-key';

const SALT = 'nest-service-discovery:deadline';
const LENGTH = 16;

/**
 * Derives the keys for tokens in {@link DEADLINE_KEY_HEADER}, in their order. Every callee sees a key, so it grants no access to
 * the registry, and its derivation is slow (scrypt, some 40 ms per token), so that guessing the token is expensive.
 * @param tokens one token, or several separated by commas
 */
export function deadlineKeysOf(tokens: string): readonly string[] {
  return (readTokens(tokens) ?? []).map((token) => scryptSync(token, SALT, LENGTH).toString('base64url'));
}
