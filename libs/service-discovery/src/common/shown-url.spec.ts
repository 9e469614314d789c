import { describe, expect, it } from '@jest/globals';
import { withMaskedPassword, withoutPassword } from './texts.js';

describe('a URL', () => {
  it.each<[unknown, unknown, unknown]>([
    ['redis://user:secret@redis:1/2', 'redis://redis:1/2', 'redis://***@redis:1/2'],
    ['redis://:a@secret@redis', 'redis://redis', 'redis://***@redis'],
    ['redis://:a/secret@redis', 'redis://redis', 'redis://***@redis'],
    ['redis-cluster://user:secret@one,two', 'redis-cluster://one,two', 'redis-cluster://***@one,two'],
    ['redis:user:secret@redis', 'redis:redis', 'redis:***@redis'],
    ['secret@redis', 'redis', '***@redis'],
    ['redis://redis?password=secret', 'redis://redis', 'redis://redis?***'],
    ['redis://redis', 'redis://redis', 'redis://redis'],
    [new URL('http://user:secret@registry/'), 'http://registry/', 'http://***@registry/'],
    [undefined, undefined, undefined],
    [5, 5, 5],
  ])('%s is shown as %s, and as %s when rejected', (url, shown, masked) => {
    expect(withoutPassword(url)).toBe(shown);
    expect(withMaskedPassword(url)).toBe(masked);
  });
});
