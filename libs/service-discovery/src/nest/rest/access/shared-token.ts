import { createHash, timingSafeEqual } from 'node:crypto';
import { readTokens } from '../../../common/index.js';

const BEARER = /^Bearer(?: +(.*))?$/i;

/** The tokens that let requests in. Only their hashes are kept, and the time of a comparison says nothing about them. */
export class SharedToken {
  private readonly hashes: readonly Buffer[];

  /** @param text one token, or several separated by commas */
  constructor(text: string) {
    this.hashes = (readTokens(text) ?? []).map(hash);
  }

  /** @param authorization the request's header; one of another scheme than Bearer shows no token */
  check(authorization: string | undefined): 'valid' | 'wrong' | 'missing' {
    const given = bearerOf(authorization);
    if (given === undefined) return 'missing';
    return this.indexOf(given) < 0 ? 'wrong' : 'valid';
  }

  /** Which of the tokens a text is; -1: none. */
  indexOf(given: string): number {
    const hashed = hash(given);
    // Every one is compared, so that the time does not tell which one it was.
    return this.hashes.map((known) => timingSafeEqual(known, hashed)).indexOf(true);
  }
}

/** What an `Authorization` header of the scheme Bearer shows; undefined for another one. */
export function bearerOf(authorization: string | undefined): string | undefined {
  const bearer = BEARER.exec(authorization ?? '');
  return bearer ? (bearer[1] ?? '') : undefined;
}

/** Equally long whatever the token is, as `timingSafeEqual` needs it. */
function hash(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
