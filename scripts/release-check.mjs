/**
 * Names what keeps the built package from being published: fields of its manifest that are missing, versions that are not
 * equal, links of its pages to files that are not packed, what publint and attw (are the types wrong?) find, and sizes above their limits.
 *
 * node scripts/release-check.mjs [<folder of the built package>]
 */
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { npm, withPublishedTree } from './published-tree.mjs';

const root = join(import.meta.dirname, '..');
const built = process.argv[2] ?? join(root, 'dist/libs/service-discovery');

/** Addresses of the owner. */
const REQUIRED_FIELDS = ['repository', 'homepage', 'bugs'];
/** A tenth above what it is now: what exceeds them was packed by mistake, or is worth a thought. In MB of 1,000,000 bytes. */
const LIMITS = { files: 140, 'MB packed': 1.9, 'MB unpacked': 6.7, 'MB installed with its dependencies': 15.2 };

const readManifest = async (file) => JSON.parse(await readFile(file, 'utf8'));

const manifest = await readManifest(join(built, 'package.json'));

function findMissingFields() {
  return REQUIRED_FIELDS.filter((field) => !manifest[field]).map(
    (field) => `libs/service-discovery/package.json has no "${field}"`,
  );
}

async function findUnequalVersions() {
  const [workspace, lock] = await Promise.all(
    [join(root, 'package.json'), join(root, 'package-lock.json')].map(readManifest),
  );
  return Object.entries({ 'package.json': workspace.version, 'package-lock.json': lock.version })
    .filter(([, version]) => version !== manifest.version)
    .map(
      ([file, version]) => `${file} has version ${version}, libs/service-discovery/package.json ${manifest.version}`,
    );
}

async function findDeadLinks({ files }) {
  const packed = new Set(files.map(({ path }) => path));
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

async function askPublint(tarball) {
  const { messages, pkg } = await publint({ pack: { tarball: new Uint8Array(tarball).buffer }, strict: true });
  return messages.map((message) => `publint: ${formatMessage(message, pkg, { color: false })}`);
}

async function askAttw(tarball) {
  const { problems = [] } = await checkPackage(createPackageFromTarballData(tarball));
  return problems.map((problem) => `attw: ${JSON.stringify(problem)}`);
}

/** @returns the bytes of the package's dependencies and theirs; peers are the app's */
async function dependenciesSize() {
  return withPublishedTree(built, async (folder) => {
    await npm(folder, 'ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline');
    const modules = join(folder, 'node_modules');
    const sizes = (await readdir(modules, { recursive: true })).map((name) => stat(join(modules, name)));
    return (await Promise.all(sizes)).reduce((sum, entry) => sum + (entry.isFile() ? entry.size : 0), 0);
  });
}

async function findExcess({ files, size, unpackedSize }) {
  const sizes = [size, unpackedSize, unpackedSize + (await dependenciesSize())];
  const figures = [files.length, ...sizes.map((bytes) => Math.round(bytes / 1e5) / 10)];
  const found = Object.entries(LIMITS).map(([what, limit], index) => ({ what, limit, is: figures[index] }));
  console.log(`release:check: ${found.map(({ what, is }) => `${is} ${what}`).join(', ')}`);
  return found
    .filter(({ limit, is }) => is > limit)
    .map(({ what, limit, is }) => `${is} ${what}, and at most ${limit} are meant`);
}

const scratch = await mkdtemp(join(tmpdir(), 'release-check-'));
try {
  const [packed] = JSON.parse(await npm(built, 'pack', '--json', '--pack-destination', scratch));
  const tarball = await readFile(join(scratch, packed.filename));
  const found = [
    findMissingFields(),
    findUnequalVersions(),
    findDeadLinks(packed),
    askPublint(tarball),
    askAttw(tarball),
    findExcess(packed),
  ];
  const problems = (await Promise.all(found)).flat();
  for (const problem of problems) console.error(`release:check: ${problem}`);
  if (problems.length > 0) process.exitCode = 1;
  else console.log('release:check: ready to publish');
} finally {
  await rm(scratch, { recursive: true, force: true });
}
