import config from './jest.config.mjs';

/** The matrix of `npm run test:compat`, which starts with the versions that `test/compat/versions.ts` names. */
export default {
  ...config,
  testMatch: ['<rootDir>/test/compat/*.compat.e2e-spec.ts'],
  testPathIgnorePatterns: [],
  // Package managers, compilers and bundlers take seconds on a quiet machine, and minutes on a busy one.
  testTimeout: 600_000,
  // The apps of a run are made once, and used by one spec at a time.
  maxWorkers: 1,
};
