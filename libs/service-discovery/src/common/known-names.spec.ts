import { describe, expect, it } from '@jest/globals';
import { KnownNames } from './known-names.js';

describe('known names', () => {
  const names = new KnownNames(['version', 'zone'], { retry: 'nothing here' });
  const pathsOf = (given: object, path?: string): string[] => names.problemsOf(given, path).map((one) => one.path);

  it('report each name that is another one, with what was meant and where it stands', () => {
    expect(names.problemsOf({ version: 1, verison: '^9', colour: 'red' }, 'criteria')).toEqual([
      { path: 'criteria.verison', value: '^9', expected: 'no option of this name (did you mean "version"?)' },
      { path: 'criteria.colour', value: 'red', expected: 'no option of this name: known are version, zone' },
    ]);
  });

  it('say of a name that belongs elsewhere where that is', () => {
    expect(names.problemsOf({ retry: 3 })).toEqual([{ path: 'retry', value: 3, expected: 'nothing here' }]);
  });

  it('make nothing where all are known', () => {
    expect(names.problemsOf({ version: 1 })).toBe(names.problemsOf({}));
  });

  it('pass over what is undefined, what is inherited, and what belongs to an instance of a class', () => {
    class Own {
      readonly helper = 1;
    }
    const inherited = Object.create({ helper: 1 }) as object;
    expect([{ helper: undefined }, new Own(), inherited].flatMap((given) => pathsOf(given))).toEqual([]);
  });

  it('know a plain object of another realm for one', () => {
    expect(pathsOf(structuredClone({ helper: 1 }))).toEqual(['helper']);
  });

  it('know no more than they were given, whatever objects are born with', () => {
    expect(pathsOf({ toString: 1, constructor: 2 })).toEqual(['toString', 'constructor']);
    expect(pathsOf(Object.assign(Object.create(null), { hasOwnProperty: 1 }) as object)).toEqual(['hasOwnProperty']);
  });

  it('grow into a list of their own', () => {
    expect(names.and('key').problemsOf({ key: 1, zone: 1, retry: 1 })).toHaveLength(1);
    expect(pathsOf({ key: 1 })).toEqual(['key']);
  });
});
