import { describe, expect, it } from '@jest/globals';
import { finish, stableHash } from './stable-hash.js';

describe('stableHash', () => {
  // From the reference implementation: any other value would move every key of every user.
  it.each([
    ['', 0, 0],
    ['', 1, 0x514e28b7],
    ['', 0xffffffff, 0x81f16f39],
    ['a', 0x9747b28c, 0x7fa09ea6],
    ['aa', 0x9747b28c, 0x5d211726],
    ['aaa', 0x9747b28c, 0x283e0130],
    ['aaaa', 0x9747b28c, 0x5a97808a],
    ['abc', 0, 0xb3dd93fa],
    ['test', 0, 0xba6bd213],
    ['Hello, world!', 0, 0xc0363e43],
    ['Hello, world!', 0x9747b28c, 0x24884cba],
    ['The quick brown fox jumps over the lazy dog', 0, 0x2e4ff723],
    ['The quick brown fox jumps over the lazy dog', 0x9747b28c, 0x2fa826cd],
    ['ππππππππ', 0x9747b28c, 0xd58063c1],
  ])('of %p with seed %p is %p', (text, seed, hash) => {
    expect(stableHash(text, seed)).toBe(hash);
  });

  it('hashes the UTF-8 bytes of texts with non-ASCII characters at any position', () => {
    const texts = ['é', 'aé', 'aaé', 'aaaé', 'aaaaé', 'éaaaa', 'aaaaaéa', '😀', 'aa😀bb', 'a', 'aaaaa', 'x'.repeat(99)];
    for (const text of texts) expect(stableHash(text, 7)).toBe(asSpecified(new TextEncoder().encode(text), 7));
  });
});

/** The same function, written block by block. */
function asSpecified(bytes: Uint8Array, seed: number): number {
  const rotate = (word: number, by: number): number => (word << by) | (word >>> (32 - by));
  const scramble = (word: number): number => Math.imul(rotate(Math.imul(word, 0xcc9e2d51), 15), 0x1b873593);
  const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  padded.set(bytes);
  const words = new DataView(padded.buffer);
  let hash = seed;
  for (let at = 0; at < padded.length; at += 4) {
    hash ^= scramble(words.getUint32(at, true));
    if (at + 4 <= bytes.length) hash = Math.imul(rotate(hash, 13), 5) + 0xe6546b64;
  }
  return finish(hash ^ bytes.length);
}

describe('finish', () => {
  it('is one to one and mixes the bits', () => {
    const out = new Set<number>();
    let changed = 0;
    for (let input = 0; input < 4_096; input++) {
      const mixed = finish(input);
      out.add(mixed);
      for (let bits = mixed ^ finish(input ^ 1); bits !== 0; bits &= bits - 1) changed++;
    }
    expect(out.size).toBe(4_096);
    expect(changed / 4_096).toBeCloseTo(16, 0);
  });
});
