import { custom, fromEnv, optional } from './option-group.js';

export const TOKENS_RULE =
  'a token, or several separated by commas, each of 1 to 512 visible ASCII characters without commas';

/** Characters that `Authorization: Bearer` can carry. */
const TOKEN_PATTERN = /^[!-+\--~]{1,512}$/;

/**
 * Parses a comma-separated list of tokens, such as `new-secret,old-secret` during a rotation; undefined if one of them is none.
 */
export function readTokens(text: unknown): readonly [string, ...string[]] | undefined {
  if (typeof text !== 'string') return undefined;
  const tokens = text.split(',').map((token) => token.trim());
  return tokens.every((token) => TOKEN_PATTERN.test(token)) ? (tokens as [string, ...string[]]) : undefined;
}

/** The option that holds a shared token, or several. No message shows it. */
export const TOKEN = fromEnv(
  'TOKEN',
  optional(
    custom<string>({
      range: '1 to 512 visible characters, without commas; several separated by commas',
      read: (value, path, check) => {
        if (!readTokens(value)) check.problem(path, '***', TOKENS_RULE);
        return value as string;
      },
    }),
  ),
);
