import config from './jest.config.mjs';

/**
 * What takes long by its nature: rates, scale, long outages, many random runs. Models (`.model.`)
 * run here with ten times as many random runs as each names, and in `npm test`, those without servers, with a quarter of them.
 */
export default {
  ...config,
  testMatch: ['<rootDir>/libs/**/*.{long,model}.spec.ts', '<rootDir>/test/**/*.{long,model}.e2e-spec.ts'],
  testPathIgnorePatterns: [],
  // Hooks start clusters and install packages, on a machine that may be busy.
  testTimeout: 300_000,
  // What measures rates gets a core of its own.
  maxWorkers: 2,
  globals: { modelRunsFactor: 10, needsLongTools: true },
};
