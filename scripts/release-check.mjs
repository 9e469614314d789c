/**
 * Names what keeps the built package from being published: fields of its manifest that are missing, versions that are not
 * equal, and links of its pages to files that are not packed.
 *
 * node scripts/release-check.mjs [<folder of the built package>]
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { promisify } from 'node:util';

const root = join(import.meta.dirname, '..');
const built = process.argv[2] ?? join(root, 'dist/libs/service-discovery');

/** Addresses of the owner. */
const REQUIRED_FIELDS = ['repository', 'homepage', 'bugs'];

const readManifest = async (file) => JSON.parse(await readFile(file, 'utf8'));

async function findMissingFields() {
  const manifest = await readManifest(join(built, 'package.json'));
  return REQUIRED_FIELDS.filter((field) => !manifest[field]).map(
    (field) => `libs/service-discovery/package.json has no "${field}"`,
  );
}

async function findUnequalVersions() {
  const [published, workspace, lock] = await Promise.all(
    [join(built, 'package.json'), join(root, 'package.json'), join(root, 'package-lock.json')].map(readManifest),
  );
  return Object.entries({ 'package.json': workspace.version, 'package-lock.json': lock.version })
    .filter(([, version]) => version !== published.version)
    .map(
      ([file, version]) => `${file} has version ${version}, libs/service-discovery/package.json ${published.version}`,
    );
}

async function findDeadLinks() {
  const { stdout } = await promisify(execFile)('npm', ['pack', '--dry-run', '--json'], {
    cwd: built,
    shell: process.platform === 'win32',
  });
  const packed = new Set(JSON.parse(stdout)[0].files.map(({ path }) => path));
  const pages = [...packed].filter((path) => path.endsWith('.md'));
  const dead = await Promise.all(
    pages.map(async (page) => {
      const text = await readFile(join(built, page), 'utf8');
      const links = [...text.matchAll(/\]\((?![a-z]+:|#)([^)#]+)/g)].map(([, link]) => link);
      return links
        .filter((link) => !packed.has(posix.join(posix.dirname(page), link)))
        .map((link) => `${page} links to ${link}, which is not packed`);
    }),
  );
  return dead.flat();
}

const problems = (await Promise.all([findMissingFields(), findUnequalVersions(), findDeadLinks()])).flat();
for (const problem of problems) console.error(`release:check: ${problem}`);
if (problems.length > 0) process.exitCode = 1;
else console.log('release:check: ready to publish');
