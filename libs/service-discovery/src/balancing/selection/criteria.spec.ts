import { describe, expect, it } from '@jest/globals';
import { CRITERIA_NAMES, findCriteriaProblems } from './criteria.js';

describe('criteria', () => {
  it.each([
    {},
    { version: '^1', tags: ['api'], zone: 'eu' },
    { tags: new Set(['api']) },
    { version: undefined, tags: [] },
  ])('that are valid (%j) have no problems, and the check allocates nothing', (criteria) => {
    expect(findCriteriaProblems(criteria)).toHaveLength(0);
    expect(findCriteriaProblems(criteria)).toBe(findCriteriaProblems({}));
  });

  it.each([3, null, 'api', ['api'], undefined])('are rejected when they are %j', (value) => {
    expect(findCriteriaProblems(value)).toEqual([
      { path: 'criteria', value, expected: 'an object such as { version: "^1.2" }' },
    ]);
  });

  it('are reported with the path of every unknown name and wrong value', () => {
    const criteria = { verison: '^9', version: 1, tags: 'api', zone: [], key: 'k' };
    expect(findCriteriaProblems(criteria, 'wait.criteria', CRITERIA_NAMES.and('key'))).toEqual([
      { path: 'wait.criteria.verison', value: '^9', expected: 'no option of this name (did you mean "version"?)' },
      { path: 'wait.criteria.version', value: 1, expected: 'a semver range' },
      { path: 'wait.criteria.tags', value: 'api', expected: 'a list or a Set of texts' },
      { path: 'wait.criteria.zone', value: [], expected: 'the name of a zone' },
    ]);
    expect(findCriteriaProblems({ tags: ['a', 1] }).map(({ path }) => path)).toEqual(['criteria.tags']);
    expect(findCriteriaProblems({ tags: new Set(['a', 1]) }).map(({ path }) => path)).toEqual(['criteria.tags']);
    expect(findCriteriaProblems({ key: 'k' }).map(({ path }) => path)).toEqual(['criteria.key']);
  });
});
