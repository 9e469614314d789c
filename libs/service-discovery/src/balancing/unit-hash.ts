import { stableHash } from './strategies/stable-hash.js';

/** One of its own: the keys that fall into one pool must not all have the same owner in it. */
const SEED = 0x51ed_270b;

/** A number in [0, 1) that a text has in every process. */
export function unitHash(text: string): number {
  return stableHash(text, SEED) / 4_294_967_296;
}
