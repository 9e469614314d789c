import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

/** The README and every page of `docs/`, by path: `docs/reference/rest.md`. */
export async function readPages(): Promise<Map<string, string>> {
  const inDocs = await readdir(join(root, 'docs'), { recursive: true });
  const paths = ['README.md', ...inDocs.filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)];
  return new Map(
    await Promise.all(paths.map(async (path) => [path, await readFile(join(root, path), 'utf8')] as const)),
  );
}
