/**
 * The layers of the library, top to bottom. A folder imports only folders of an earlier row;
 * two folders in one row never import each other.
 */
const rows = [
  ['common'],
  ['model'],
  ['resilience', 'balancing', 'store', 'transport'],
  ['registry'],
  ['health'],
  ['communicator'],
  ['observability', 'client'],
  ['nest', 'kong'],
  ['testing', 'cli', 'schematics'],
];
const src = '^libs/service-discovery/src/';

const layerRules = rows.flatMap((row, index) =>
  row.map((folder) => {
    const allowed = [folder, ...rows.slice(0, index).flat()];
    return {
      name: `layer-${folder}`,
      comment: `${folder}/ may import only: ${allowed.join(', ')}`,
      severity: 'error',
      from: { path: `${src}${folder}/`, pathNot: '\\.spec\\.ts$' },
      to: { path: src, pathNot: `${src}(${allowed.join('|')})/` },
    };
  }),
);

/** The parts of the registry, from the store's changes up to the API: each imports only those before it. */
const registryParts = [
  'feed/',
  'leases/',
  'store-writes',
  'offline/',
  'registry-writes',
  'service-registry',
  'listed/',
];

const registryRules = registryParts.slice(0, -1).map((part, index) => ({
  name: `registry-one-way-${part.replace('/', '')}`,
  comment: `registry/${part} may not import later parts: ${registryParts.slice(index + 1).join(', ')}`,
  severity: 'error',
  from: { path: `${src}registry/${part}`, pathNot: '\\.spec\\.ts$' },
  to: { path: `${src}registry/(${registryParts.slice(index + 1).join('|')})` },
}));

module.exports = {
  forbidden: [
    ...layerRules,
    ...registryRules,
    {
      name: 'nest-only-in-nest',
      comment: 'Only nest/, and the command that starts an app of it, know the framework.',
      severity: 'error',
      from: { path: src, pathNot: `${src}(nest|cli)/|${src}(index|axios|dashboard)\\.ts$|\\.spec\\.ts$` },
      to: { path: 'node_modules/@nestjs/' },
    },
    {
      name: 'core-stays-framework-free',
      comment: './core and ./kong reach no file of nest/.',
      severity: 'error',
      from: { path: `${src}(core|kong)\\.ts$` },
      to: { path: `${src}nest/`, reachable: true },
    },
    {
      name: 'axios-stays-optional',
      comment: 'Only ./axios loads it; apps that do not import that need not have it.',
      severity: 'error',
      from: { path: `${src}(index|core|kong|testing)\\.ts$` },
      to: { path: `${src}nest/axios/`, reachable: true },
    },
    {
      name: 'dashboard-stays-optional',
      comment: 'Only ./dashboard loads it.',
      severity: 'error',
      from: { path: `${src}(index|axios|core|kong|testing)\\.ts$` },
      to: { path: `${src}nest/dashboard/`, reachable: true },
    },
    {
      name: 'undici-stays-in-its-folder',
      comment: 'Only transport/undici/ and the client of a remote registry know undici.',
      severity: 'error',
      from: { path: src, pathNot: `${src}(transport/undici/|store/remote/registry-http\\.ts$)|\\.spec\\.ts$` },
      to: { path: 'node_modules/undici/' },
    },
    {
      name: 'no-test-code-in-the-package',
      severity: 'error',
      from: { path: src, pathNot: '\\.spec\\.ts$' },
      to: { path: '\\.spec\\.ts$|^test/' },
    },
    {
      name: 'apps-use-the-public-entries',
      comment: 'Examples are copied by users, so they import only what users can import.',
      severity: 'error',
      from: { path: '^(apps|bench|sim|soak|conformance)/' },
      to: { path: src, pathNot: `${src}(index|axios|core|dashboard|kong|testing)\\.ts$` },
    },
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist/' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
