/** Different seeds give a text independent hashes. */
export const KEY_SEED = 0;
export const FIRST_MEMBER_SEED = 0x2545_f491;
export const SECOND_MEMBER_SEED = 0x9e37_79b9;
/** Its own seed, since the keys of one pool must not all have the same owner in it. */
const POOL_SEED = 0x51ed_270b;

const C1 = 0xcc9e_2d51;
const C2 = 0x1b87_3593;
const encoder = new TextEncoder();
// A local binding: in a VM context, such as Jest's, looking up the global with every call costs a hundred times as much.
const { imul } = Math;

/**
 * A 32-bit hash that is the same in every process, release and language: MurmurHash3_x86_32 (Austin Appleby, public domain)
 * of the text's UTF-8 bytes. It spreads keys but is not collision-resistant against chosen keys.
 */
export function stableHash(text: string, seed: number): number {
  let hash = seed >>> 0;
  const blocks = text.length & ~3;
  let index = 0;
  for (; index < blocks; index += 4) {
    const a = text.charCodeAt(index);
    const b = text.charCodeAt(index + 1);
    const c = text.charCodeAt(index + 2);
    const d = text.charCodeAt(index + 3);
    if ((a | b | c | d) > 0x7f) return hashBytes(encoder.encode(text), seed);
    hash = mixBlock(hash, a | (b << 8) | (c << 16) | (d << 24));
  }
  let tail = 0;
  for (let shift = 0; index < text.length; index++, shift += 8) {
    const code = text.charCodeAt(index);
    if (code > 0x7f) return hashBytes(encoder.encode(text), seed);
    tail |= code << shift;
  }
  return finish(mixTail(hash, tail) ^ text.length);
}

/** A number in [0, 1) from a text, the same in every process. */
export function unitHash(text: string): number {
  return stableHash(text, POOL_SEED) / 4_294_967_296;
}

/** Mixes 32 bits, one to one: inputs that differ in any bit differ in about half the bits of the result. */
export function finish(bits: number): number {
  let mixed = bits;
  mixed = imul(mixed ^ (mixed >>> 16), 0x85eb_ca6b);
  mixed = imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** For texts that are not ASCII. */
function hashBytes(bytes: Uint8Array, seed: number): number {
  let hash = seed >>> 0;
  let word = 0;
  bytes.forEach((byte, index) => {
    word |= byte << (8 * (index & 3));
    if ((index & 3) !== 3) return;
    hash = mixBlock(hash, word);
    word = 0;
  });
  return finish(mixTail(hash, word) ^ bytes.length);
}

function mixBlock(hash: number, block: number): number {
  const mixed = mixTail(hash, block);
  return (imul((mixed << 13) | (mixed >>> 19), 5) + 0xe654_6b64) | 0;
}

function mixTail(hash: number, word: number): number {
  const scaled = imul(word, C1);
  return hash ^ imul((scaled << 15) | (scaled >>> 17), C2);
}
