import { writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { rolldown } from 'rolldown';
import { buildPage } from './build-page.mjs';

/** Entry points, by output file. `cli/main` is the command, `schematics/index` what `nest add` and `nest generate` run. */
const ENTRIES = ['index', 'axios', 'core', 'dashboard', 'kong', 'testing', 'cli/main', 'schematics/index'];

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

/** V8 keeps a source that is not Latin-1 at two bytes a character. */
const escape = (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/**
 * Bundles compiled ES modules into a few files: importing the package then costs a few reads, not hundreds. Packages
 * stay outside. The output stays readable, with the path of the source above each part.
 */
export async function bundle(from, to) {
  const isCommand = (file) => /^cli\b/.test(relative(from, file));
  const page = await buildPage();
  const bundled = await rolldown({
    cwd: from,
    input: Object.fromEntries(ENTRIES.map((entry) => [entry, join(from, `${entry}.js`)])),
    platform: 'node',
    plugins: [
      {
        name: 'page',
        load: {
          filter: { id: /nest.dashboard.page-files\.js$/ },
          handler: () => `export const PAGE_FILES = ${JSON.stringify(page.files)};`,
        },
      },
      { name: 'ascii', renderChunk: (code) => code.replace(/[^\0-\x7f]/g, escape) },
    ],
    external: /^[^./]/,
    onLog: (level, log) => {
      throw new Error(`bundle: ${level}: ${log.message}`);
    },
  });
  try {
    await bundled.write({
      dir: to,
      format: 'es',
      chunkFileNames: ({ moduleIds }) => `${moduleIds.some(isCommand) ? 'cli' : 'shared'}/[name].js`,
      // The declarations have the docstrings.
      comments: { jsdoc: false },
      keepNames: true,
      codeSplitting: {
        groups: SHARED.map(({ name, folders }) => ({ name, test: (file) => folders.test(relative(from, file)) })),
      },
    });
    await writeFile(join(to, 'DASHBOARD-LICENSES.md'), page.licenses);
  } finally {
    await bundled.close();
  }
}
