/** Builds the page of the dashboard (`libs/dashboard/`) in memory. */
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';

const LICENSES = 'licenses.md';

/**
 * @returns the files by name, gzipped, in base64; and the licences of the packages that they contain
 */
export async function buildPage() {
  const { output } = await build({
    configFile: false,
    root: join(import.meta.dirname, '../libs/dashboard'),
    // The page is at `…/ui`, its files at `…/ui/<name>`.
    base: './',
    logLevel: 'error',
    build: {
      write: false,
      target: 'es2022',
      assetsDir: 'ui',
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      license: { fileName: LICENSES },
      rolldownOptions: {
        output: { entryFileNames: 'ui/[name]-[hash].js', assetFileNames: 'ui/[name]-[hash][extname]' },
      },
    },
  });
  const contents = new Map(
    output.map((file) => [file.fileName, Buffer.from(file.type === 'chunk' ? file.code : file.source)]),
  );
  const licenses = contents.get(LICENSES);
  contents.delete(LICENSES);
  const files = Object.fromEntries(
    [...contents].map(([path, content]) => [
      path.split('/').at(-1),
      gzipSync(content, { level: 9 }).toString('base64'),
    ]),
  );
  return { files, licenses };
}
