import { Readable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { readUpTo } from './read-up-to.js';

describe('readUpTo', () => {
  it('reads a body that is exactly as long as it may be', async () => {
    expect(String(await readUpTo([Buffer.from('ab'), Buffer.from('cd')], 4))).toBe('abcd');
    expect(await readUpTo([], 0)).toHaveLength(0);
  });

  it('destroys a stream that is longer', async () => {
    const body = Readable.from([Buffer.from('ab'), Buffer.from('cd'), Buffer.from('ef')]);
    expect(await readUpTo(body, 3)).toBeUndefined();
    expect(body.destroyed).toBe(true);
  });
});
