import { describe, expect, it } from '@jest/globals';
import { maskSecrets } from './masking.js';

describe('maskSecrets', () => {
  it.each(['password', 'DB_PASSWORD', 'clientSecret', 'api-key', 'x_token', 'Credentials', 'monkey'])(
    'masks everything under %s',
    (name) => {
      expect(maskSecrets({ [name]: { a: ['b'] } })).toEqual({ [name]: '***' });
    },
  );

  it('masks at any depth, also in lists, and leaves the original alone', () => {
    const metadata = { a: [{ token: 't', b: 1 }, 'text', null], c: true };
    expect(maskSecrets(metadata)).toEqual({ a: [{ token: '***', b: 1 }, 'text', null], c: true });
    expect(metadata.a[0]).toEqual({ token: 't', b: 1 });
  });

  it('masks what is nested too deeply to be read', () => {
    let deep: unknown = 'bottom';
    for (let level = 0; level < 40; level++) deep = { deep };
    expect(JSON.stringify(maskSecrets(deep))).toContain('***');
    expect(JSON.stringify(maskSecrets(deep))).not.toContain('bottom');
  });

  it.each([1, 'text', null, undefined, true])('leaves %p as it is', (value) => {
    expect(maskSecrets(value)).toBe(value);
  });
});
