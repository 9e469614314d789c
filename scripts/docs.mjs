/**
 * Builds the site of the docs into dist/docs/site: the README, the pages of docs/, and the reference of the API and of the REST
 * API, which are made of declarations and of openapi.json. A dead link ends the build. `npx vitepress preview site` serves it.
 */
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { build } from 'vitepress';
import { apiPages } from './api-pages.mjs';
import { routesPage } from './routes-page.mjs';

const root = join(import.meta.dirname, '..');
const pages = join(root, 'dist/docs/pages');

/** Where a page of the repository is on the site, without `docs/` where it is in there. */
const RENAMED = {
  'README.md': 'index.md',
  'docs/README.md': 'contents.md',
  'ARCHITECTURE.md': 'architecture.md',
  'CHANGELOG.md': 'changelog.md',
  'SECURITY.md': 'security-model.md',
};
const placeOf = (path) => RENAMED[path] ?? path.replace(/^docs\//, '');

/** Links lead from one place in the repository to another; on the site, both are elsewhere. */
function withLinks(path, text) {
  return text.replaceAll(/\]\((?![a-z]+:|#)([^)#\s]*)(#[^)\s]*)?\)/g, (_, link, anchor = '') => {
    const target = `/${placeOf(posix.join(posix.dirname(path), link))}`;
    return `](${target.replace(/(?:index)?\.md$/, '') || '/'}${anchor})`;
  });
}

async function put(place, text) {
  await mkdir(dirname(join(pages, place)), { recursive: true });
  await writeFile(join(pages, place), text);
}

await rm(join(root, 'dist/docs'), { recursive: true, force: true });
const inDocs = (await readdir(join(root, 'docs'), { recursive: true, withFileTypes: true })).filter((entry) =>
  entry.isFile(),
);
const paths = inDocs.map(({ parentPath, name }) => posix.join('docs', join(parentPath, name).slice(root.length + 6)));
for (const path of [...Object.keys(RENAMED), ...paths.filter((path) => path !== 'docs/README.md')]) {
  if (path.endsWith('.md')) await put(placeOf(path), withLinks(path, await readFile(join(root, path), 'utf8')));
  else await cp(join(root, path), join(pages, 'public', placeOf(path)));
}
const openapi = join(root, 'libs/service-discovery/openapi.json');
await cp(openapi, join(pages, 'public/openapi.json'));
await put('reference/routes.md', routesPage(JSON.parse(await readFile(openapi, 'utf8'))));
for (const [name, text] of Object.entries(apiPages())) await put(`reference/api/${name}.md`, text);
await build(join(root, 'site'));
