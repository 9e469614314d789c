import { describe, expect, it } from '@jest/globals';
import { headerFault } from './header-fault.js';

describe('headerFault', () => {
  it.each(['accept', 'x-Tenant_1', "!#$%&'*+.^_`|~-"])('accepts a header named %j', (name) => {
    expect([headerFault(name, 'a, b'), headerFault(name, ['a', 'b']), headerFault(name, 7)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it.each(['', 'two words', 'colon:', 'ümlaut', 'line\r\nbreak'])('rejects %j as a name', (name) => {
    expect(headerFault(name, 'value')).toBe('name');
  });

  it.each(['a\r\nb: c', 'a\nb', 'a\0b', ['fine', 'a\rb']])('rejects %j as a value', (value) => {
    expect(headerFault('accept', value)).toBe('line_break');
  });
});
