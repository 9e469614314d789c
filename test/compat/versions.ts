import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const manifest = join(import.meta.dirname, '../../libs/service-discovery/package.json');

/** What `npm run test:compat` runs with, and `docs/compatibility.md` promises. */
export const NODE_VERSIONS = ['20.19', '22.12', '24'] as const;
export const TYPESCRIPT_VERSIONS = ['5.9', '6.0', '7.0'] as const;
/** Each with the `module` that goes with it. */
export const MODULE_RESOLUTIONS = { node16: 'node16', nodenext: 'nodenext', bundler: 'esnext' } as const;
/** As `nest new` writes them. */
export const NEST_VERSIONS = [
  [11, 'commonjs'],
  [12, 'module'],
] as const;

export const OPTIONAL_PEERS = Object.keys(
  (JSON.parse(readFileSync(manifest, 'utf8')) as { peerDependenciesMeta: object }).peerDependenciesMeta,
);
