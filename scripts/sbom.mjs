/**
 * Writes the bill of materials (CycloneDX) of the published package, with the newest versions of its dependencies that its
 * ranges allow.
 *
 * node scripts/sbom.mjs [<folder of the built package> [<file>]]
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { npm, withPublishedTree } from './published-tree.mjs';

const dist = join(import.meta.dirname, '../dist');
const [built = join(dist, 'libs/service-discovery'), file = join(dist, 'sbom.cdx.json')] = process.argv.slice(2);

const bill = await withPublishedTree(built, (folder) =>
  npm(folder, 'sbom', '--package-lock-only', '--sbom-format', 'cyclonedx', '--sbom-type', 'library'),
);
await writeFile(file, bill);
console.log(`sbom: ${JSON.parse(bill).components.length} packages in ${file}`);
