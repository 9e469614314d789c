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
    const bearer = BEARER.exec(authorization ?? '');
    if (!bearer) return 'missing';
    const given = hash(bearer[1] ?? '');
    // Every one is compared, so that the time does not tell which one it was.
    const matches = this.hashes.filter((known) => timingSafeEqual(known, given));
    return matches.length > 0 ? 'valid' : 'wrong';
  }
}

/** Equally long whatever the token is, as `timingSafeEqual` needs it. */
function hash(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
