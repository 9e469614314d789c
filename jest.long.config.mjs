import config from './jest.config.mjs';

/** What takes long by its nature: rates, scale, long outages, many random runs, packages installed afresh. */
export default {
  ...config,
  testMatch: ['<rootDir>/libs/**/*.long.spec.ts', '<rootDir>/test/**/*.long.e2e-spec.ts'],
  testPathIgnorePatterns: [],
};
