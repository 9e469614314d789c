/** Each gives a text another hash, so that one text can have several that know nothing of each other. */
export const KEY_SEED = 0;
export const FIRST_MEMBER_SEED = 0x2545_f491;
export const SECOND_MEMBER_SEED = 0x9e37_79b9;

const C1 = 0xcc9e_2d51;
const C2 = 0x1b87_3593;
const encoder = new TextEncoder();
// As this module's own, since where globals are looked up with every call, as in a VM context, it costs a hundredfold.
const { imul } = Math;

/**
 * The same 32 bits for a text in every process, release and language: MurmurHash3_x86_32 (Austin Appleby, public
 * domain) of its UTF-8 bytes. For spreading keys, not for secrets: whoever chooses keys can make them collide.
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

/** Scatters 32 bits, one to one: inputs that differ in any bit come out with half their bits different. */
export function finish(bits: number): number {
  let mixed = bits;
  mixed = imul(mixed ^ (mixed >>> 16), 0x85eb_ca6b);
  mixed = imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** What is not ASCII goes by its bytes. */
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
