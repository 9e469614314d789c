/**
 * Fails if a dependency of the published package has a known vulnerability, as `npm audit` knows them from the registry.
 * A registry that offers no audits is said to be one, and fails nothing.
 *
 * node scripts/audit.mjs [<folder of the built package>]
 */
import { join } from 'node:path';
import { npm, withPublishedTree } from './published-tree.mjs';

const built = process.argv[2] ?? join(import.meta.dirname, '../dist/libs/service-discovery');

/** The answers of a registry that has no such endpoint. Others, and none at all, may be those of one that is down. */
const NOT_OFFERED = [404, 405, 501];

/** The JSON that npm prints, whether it found something or not. */
async function report(folder) {
  try {
    return JSON.parse(await npm(folder, 'audit', '--json'));
  } catch (error) {
    if (!error.stdout) throw error;
    return JSON.parse(error.stdout);
  }
}

const { statusCode, message, vulnerabilities } = await withPublishedTree(built, report);
if (vulnerabilities) {
  const found = Object.values(vulnerabilities);
  for (const { name, severity, range, via } of found) {
    const causes = via.map((cause) => (typeof cause === 'string' ? cause : `${cause.title} (${cause.url})`));
    console.error(`audit: ${name} ${range}: ${severity}: ${causes.join(', ')}`);
  }
  if (found.length > 0) process.exitCode = 1;
  else console.log('audit: no known vulnerability in what the package depends on');
} else if (NOT_OFFERED.includes(statusCode)) {
  console.warn(`audit: nothing was checked, since the registry offers no audits: ${message}`);
} else {
  console.error(`audit: npm could not tell: ${message}`);
  process.exitCode = 1;
}
