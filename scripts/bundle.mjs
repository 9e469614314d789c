import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { rolldown } from 'rolldown';
import { rollup } from 'rollup';
import { dts } from 'rollup-plugin-dts';
import { buildPage } from './build-page.mjs';

/** Entry points that apps import, by output file. */
const IMPORTED = ['index', 'axios', 'core', 'dashboard', 'kong', 'testing'];
/** `cli/main` is the command, `schematics/index` what `nest add` and `nest generate` run. */
const ENTRIES = [...IMPORTED, 'cli/main', 'schematics/index'];

/**
 * Files that entry points share, by the folders that they come from, so that a class is one class however it is imported.
 * What only one entry point needs stays in its own file.
 */
const SHARED = [
  {
    name: 'core',
    folders:
      /^(core|common|model|resilience|balancing|store|transport|registry|health|communicator|observability|client)\b/,
  },
  { name: 'kong', folders: /^kong\b/ },
  { name: 'nest', folders: /^nest\b(?!.(?:axios|dashboard)\b)/ },
];

/** What an entry point exports as a namespace. It stays a file, since the rollup declares its types as constants. */
const NAMESPACE = 'rest-views';

const groupsOf = (from) =>
  SHARED.map(({ name, folders }) => ({ name, test: (file) => folders.test(relative(from, file)) }));
const inputOf = (from, entries, extension) =>
  Object.fromEntries(entries.map((entry) => [entry, join(from, `${entry}${extension}`)]));

/**
 * An import of a module of Node reads all of its exports, and some of these load what nothing here uses: the undici inside of Node,
 * WebCrypto, the parser of arguments. Taken from the module itself, they load only what is named.
 */
function takeBuiltins(code) {
  return code.replace(/^import (?:(\w+),? )?(?:\{ (.+) \} )?from ("node:.+");$/gm, (_, whole, names, module) => {
    const targets = [whole, names && `{ ${names.replaceAll(' as ', ': ')} }`].filter(Boolean);
    return targets.map((target) => `const ${target} = process.getBuiltinModule(${module});`).join(' ');
  });
}

const failOnLog = (level, log) => {
  throw new Error(`bundle: ${level}: ${log.message}`);
};

/** V8 keeps a source that is not Latin-1 at two bytes a character. */
const escape = (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/**
 * Bundles compiled ES modules into a few files: importing the package then costs a few reads, not hundreds. Packages
 * stay outside. The output stays readable, with the path of the source above each part.
 * @returns the names that each file exports
 */
export async function bundle(from, to) {
  const isCommand = (file) => /^cli\b/.test(relative(from, file));
  const page = await buildPage();
  const bundled = await rolldown({
    cwd: from,
    input: inputOf(from, ENTRIES, '.js'),
    platform: 'node',
    plugins: [
      {
        name: 'page',
        load: {
          filter: { id: /nest.dashboard.page-files\.js$/ },
          handler: () => ({
            code: `export const PAGE_FILES = ${JSON.stringify(page.files)};`,
            map: { mappings: '' },
          }),
        },
      },
      {
        // Leads the maps past the modules that tsc made, to the sources.
        name: 'sources',
        async load(id) {
          const [code, map] = await Promise.all([id, `${id}.map`].map((file) => readFile(file, 'utf8')));
          const source = join(to, 'src', relative(from, id).replace(/js$/, 'ts'));
          return { code, map: { ...JSON.parse(map), sources: [source] } };
        },
      },
      {
        // Changed after the last printing, which writes an escaped character out again. Lines stay what they are, and the maps are about lines.
        name: 'loading',
        generateBundle: (_, files) => {
          for (const file of Object.values(files)) {
            if (file.type === 'chunk') file.code = takeBuiltins(file.code).replace(/[^\0-\x7f]/g, escape);
          }
        },
      },
    ],
    external: /^[^./]/,
    // How long plugins take depends on the machine, and is no fault.
    checks: { bundlerTimings: false },
    onLog: failOnLog,
  });
  try {
    const { output } = await bundled.write({
      dir: to,
      format: 'es',
      chunkFileNames: ({ moduleIds }) => `${moduleIds.some(isCommand) ? 'cli' : 'shared'}/[name].js`,
      // The declarations have the docstrings.
      comments: { jsdoc: false },
      keepNames: true,
      sourcemap: true,
      sourcemapExcludeSources: true,
      codeSplitting: { groups: groupsOf(from) },
    });
    await writeFile(join(to, 'DASHBOARD-LICENSES.md'), page.licenses);
    return new Map(output.map(({ fileName, exports }) => [fileName, exports]));
  } finally {
    await bundled.close();
  }
}

/**
 * Rolls the declarations up into the same files as the code, so that a class is one type however it is imported.
 * @param exported the names that each file of the code exports
 */
export async function bundleDeclarations(from, to, exported) {
  const rolled = await rollup({
    input: { ...inputOf(from, IMPORTED, '.d.ts'), [NAMESPACE]: join(from, `nest/rest/${NAMESPACE}.d.ts`) },
    plugins: [
      {
        name: 'namespace',
        resolveId: (source, importer) =>
          importer && source === `./${NAMESPACE}.js` ? { id: source, external: true } : undefined,
      },
      dts(),
    ],
    external: /^[^./]/,
    onLog: (level, log) => {
      // That types of the package refer to types that no entry point exports is meant: the report of the API lists them.
      if (!/references private shared type exports/.test(log.message)) failOnLog(level, log);
    },
  });
  try {
    const { output } = await rolled.generate({
      entryFileNames: '[name].d.ts',
      chunkFileNames: 'shared/[name].d.ts',
      hoistTransitiveImports: false,
      minifyInternalExports: false,
      manualChunks: (file) => groupsOf(from).find(({ test }) => test(file))?.name,
    });
    for (const { code, fileName, isEntry } of output) {
      await mkdir(dirname(join(to, fileName)), { recursive: true });
      const values = exported.get(fileName.replace('.d.ts', '.js')) ?? [];
      await writeFile(join(to, fileName), isEntry ? withTypeExports(code, values) : code);
    }
  } finally {
    await rolled.close();
  }
}

/** The rollup takes a class that is exported as a type alone for one that can be constructed: what has no value is marked. */
function withTypeExports(code, values) {
  const mark = (specifier) => (values.includes(specifier.split(' as ').at(-1)) ? specifier : `type ${specifier}`);
  return code.replace(/^export \{ (.+) \}/gm, (_, names) => `export { ${names.split(', ').map(mark).join(', ')} }`);
}
