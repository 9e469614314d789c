/** The relevant output of `nest new`: copies of the templates of @nestjs/schematics 11.1 and 12.0. */
export interface GeneratedProject {
  readonly manifest: object;
  /** Undefined omits one that `createFreshApp` adds. */
  readonly packages: Readonly<Record<string, string | undefined>>;
  readonly files: Readonly<Record<string, string>>;
}

const JEST_E2E = `{
  "moduleFileExtensions": ["js", "json", "ts"],
  "rootDir": ".",
  "testEnvironment": "node",
  "testRegex": ".e2e-spec.ts$",
  "transform": {
    "^.+\\\\.(t|j)s$": "ts-jest"
  }
}
`;

const COMPILER_OPTIONS = {
  module: 'nodenext',
  moduleResolution: 'nodenext',
  resolvePackageJsonExports: true,
  esModuleInterop: true,
  isolatedModules: true,
  declaration: true,
  removeComments: true,
  emitDecoratorMetadata: true,
  experimentalDecorators: true,
  allowSyntheticDefaultImports: true,
  target: 'ES2023',
  sourceMap: true,
  outDir: './dist',
  incremental: true,
  skipLibCheck: true,
};

/** CommonJS, with ts-jest. */
export const NEST_11: GeneratedProject = {
  manifest: {
    scripts: { test: 'jest', 'test:e2e': 'jest --config ./test/jest-e2e.json' },
    jest: {
      moduleFileExtensions: ['js', 'json', 'ts'],
      rootDir: 'src',
      testRegex: '.*\\.spec\\.ts$',
      transform: { '^.+\\.(t|j)s$': 'ts-jest' },
      collectCoverageFrom: ['**/*.(t|j)s'],
      coverageDirectory: '../coverage',
      testEnvironment: 'node',
    },
  },
  packages: {
    '@nestjs/testing': '^11.0.1',
    '@types/express': '^5.0.0',
    '@types/jest': '^30.0.0',
    '@types/node': '^24.0.0',
    '@types/supertest': '^7.0.0',
    jest: '^30.0.0',
    supertest: '^7.0.0',
    'ts-jest': '^29.2.5',
    typescript: '^5.7.3',
  },
  files: {
    'tsconfig.json': JSON.stringify({
      compilerOptions: {
        ...COMPILER_OPTIONS,
        baseUrl: './',
        strictNullChecks: true,
        forceConsistentCasingInFileNames: true,
        noImplicitAny: true,
        strictBindCallApply: true,
        noFallthroughCasesInSwitch: true,
      },
    }),
    'test/jest-e2e.json': JEST_E2E,
  },
};

const vitestConfig = (include: string): string => `
  import { defineConfig } from 'vitest/config';
  import tsconfigPaths from 'vite-tsconfig-paths';

  export default defineConfig({
    plugins: [tsconfigPaths()],
    test: { globals: true, root: './', include: ['${include}'] },
  });
`;

/** ES modules, with Vitest. */
export const NEST_12: GeneratedProject = {
  manifest: { scripts: { test: 'vitest run', 'test:e2e': 'vitest run --config ./vitest.config.e2e.ts' } },
  packages: {
    '@nestjs/testing': '^12.0.1',
    '@types/express': '^5.0.0',
    '@types/node': '^24.0.0',
    '@types/supertest': '^7.0.0',
    supertest: '^7.0.0',
    typescript: '^6.0.2',
    'vite-tsconfig-paths': '^5.1.4',
    vitest: '^4.1.2',
  },
  files: {
    'tsconfig.json': JSON.stringify({
      compilerOptions: {
        ...COMPILER_OPTIONS,
        rootDir: '.',
        strict: true,
        strictPropertyInitialization: false,
        types: ['vitest/globals', 'node'],
      },
    }),
    'vitest.config.ts': vitestConfig('**/*.spec.ts'),
    'vitest.config.e2e.ts': vitestConfig('**/*.e2e-spec.ts'),
  },
};
