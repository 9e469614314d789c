import { describe, expect, it } from '@jest/globals';
import { KnownNames } from './known-names.js';

describe('known names', () => {
  const names = new KnownNames(['version', 'zone'], { retry: 'nothing here' });
  const pathsOf = (given: object, path?: string): string[] => names.problemsOf(given, path).map((one) => one.path);

  it('report each unknown name, with a suggestion and its path', () => {
    expect(names.problemsOf({ version: 1, verison: '^9', colour: 'red' }, 'criteria')).toEqual([
      { path: 'criteria.verison', value: '^9', expected: 'no option of this name (did you mean "version"?)' },
      { path: 'criteria.colour', value: 'red', expected: 'no option of this name: known are version, zone' },
    ]);
  });

  it('say where a misplaced name belongs', () => {
    expect(names.problemsOf({ retry: 3 })).toEqual([{ path: 'retry', value: 3, expected: 'nothing here' }]);
  });

  it('allocate nothing if all are known', () => {
    expect(names.problemsOf({ version: 1 })).toBe(names.problemsOf({}));
  });

  it('ignore undefined and inherited fields, and extra fields of class instances', () => {
    class Own {
      readonly helper = 1;
    }
    const inherited = Object.create({ helper: 1 }) as object;
    expect([{ helper: undefined }, new Own(), inherited].flatMap((given) => pathsOf(given))).toEqual([]);
  });

  it('accept a plain object of another realm', () => {
    expect(pathsOf(structuredClone({ helper: 1 }))).toEqual(['helper']);
  });

  it('do not include names from Object.prototype', () => {
    expect(pathsOf({ toString: 1, constructor: 2 })).toEqual(['toString', 'constructor']);
    expect(pathsOf(Object.assign(Object.create(null), { hasOwnProperty: 1 }) as object)).toEqual(['hasOwnProperty']);
  });

  it('can be extended into a new list', () => {
    expect(names.and('key').problemsOf({ key: 1, zone: 1, retry: 1 })).toHaveLength(1);
    expect(pathsOf({ key: 1 })).toEqual(['key']);
  });
});
