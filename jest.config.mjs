/** Unit specs (beside the source) and end-to-end specs (in test/), but for those that `npm run test:long` runs. */
export default {
  testEnvironment: './test/support/environment.mjs',
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': '@swc/jest' },
  resolver: './test/support/resolver.cjs',
  moduleNameMapper: {
    '^nest-service-discovery$': '<rootDir>/libs/service-discovery/src/index.ts',
    '^nest-service-discovery/axios$': '<rootDir>/libs/service-discovery/src/axios.ts',
    '^nest-service-discovery/core$': '<rootDir>/libs/service-discovery/src/core.ts',
    '^nest-service-discovery/dashboard$': '<rootDir>/libs/service-discovery/src/dashboard.ts',
    '^nest-service-discovery/kong$': '<rootDir>/libs/service-discovery/src/kong.ts',
    '^nest-service-discovery/testing$': '<rootDir>/libs/service-discovery/src/testing.ts',
  },
  testMatch: ['<rootDir>/libs/**/*.spec.ts', '<rootDir>/apps/**/*.spec.ts', '<rootDir>/test/**/*.e2e-spec.ts'],
  testPathIgnorePatterns: ['\\.(long|compat)\\.(e2e-)?spec\\.ts$', '\\.model\\.e2e-spec\\.ts$'],
  // The published manifest bears the workspace's name, on purpose: apps here import the package as users do.
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/libs/service-discovery/package.json'],
  globalSetup: './test/support/tools.mjs',
  testSequencer: './test/support/sequencer.mjs',
  // How long a test takes says something of the machine, not of the code.
  testTimeout: 60_000,
  // One more than a small machine has cores: end-to-end specs wait for the processes that they start.
  maxWorkers: 3,
  // A process that has run many specs is slow: modules loaded as ES modules are not let go.
  workerIdleMemoryLimit: '1GB',
  // Jest's 500 ms are too short for a process that ends on a busy machine; one that a test holds still outlasts these.
  workerGracefulExitTimeout: 30_000,
};
