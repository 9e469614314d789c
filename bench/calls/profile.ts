import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { tableOf } from '../support/table.js';
import { ClientProcess } from './client/client-process.js';
import { type WarmUp } from './client/load.js';
import { type ProfiledFunction } from './client/profile.js';
import { CATALOG } from './contenders/catalog.js';
import { keyOf, type Scenario } from './scenarios.js';
import { type Servers } from './servers/servers.js';

export interface ProfileEffort {
  readonly warmUp: WarmUp;
  readonly windowMs: number;
}

const HEAVIEST = 12;

/** Packages by the origin of a function. */
const OWNERS: readonly (readonly [owner: string, isOwn: (url: string) => boolean])[] = [
  ['this library', (url) => url.includes('/libs/service-discovery/')],
  ['undici', (url) => url.includes('/node_modules/undici/') || url.includes('deps/undici')],
  ['other packages', (url) => url.includes('/node_modules/')],
  ['the benchmark', (url) => url.includes('/bench/')],
  ['Node', (url) => url.startsWith('node:')],
  ['V8 and the system', () => true],
];

/** Profiles a scenario's contenders one after another, and prints the functions with the most self time. */
export async function profile(
  { load, lanes }: Scenario,
  { warmUp, windowMs }: ProfileEffort,
  servers: Servers,
  onReport: (report: string) => void,
): Promise<void> {
  for (const lane of lanes) {
    const target = await servers.target(CATALOG[lane.contender].via, lane);
    const client = await ClientProcess.start(lane.contender, target);
    try {
      await client.warmUp(load, warmUp);
      onReport(`${keyOf(lane)}\n${reportOf(await client.profile(load, windowMs))}`);
    } finally {
      await client.stop();
    }
  }
}

function reportOf(functions: readonly ProfiledFunction[]): string {
  const owned = new Map(OWNERS.map(([owner]) => [owner, [] as ProfiledFunction[]]));
  for (const one of functions) owned.get(ownerOf(one))?.push(one);
  const owners = [...owned]
    .filter(([, own]) => own.length > 0)
    .map(([owner, own]) => [owner, percent(own.reduce((sum, { share }) => sum + share, 0))]);
  const own = functions.filter((one) => ownerOf(one) === OWNERS[0]![0]);
  const others = functions.filter((one) => ownerOf(one) !== OWNERS[0]![0]);
  return [
    tableOf(['whose code, by its own time', 'share'], owners),
    ...(own.length > 0 ? [tableOf(['heaviest of this library', 'where', 'share'], rowsOf(own))] : []),
    tableOf(['heaviest of the others', 'where', 'share'], rowsOf(others)),
  ].join('\n\n');
}

function rowsOf(functions: readonly ProfiledFunction[]): string[][] {
  return functions.slice(0, HEAVIEST).map((one) => [one.name, whereOf(one), percent(one.share)]);
}

function whereOf(one: ProfiledFunction): string {
  if (one.url === '') return '';
  const at = `${one.url.replace(/^.*\/(?:libs\/service-discovery|node_modules)\//, '')}:${one.line}`;
  return ownerOf(one) === OWNERS[0]![0] ? `${bundledModule(one)} (${at})` : at;
}

/** The module that a function of this library comes from: in a bundle, its path stands above its code. */
function bundledModule({ url, line }: ProfiledFunction): string {
  const above = readFileSync(fileURLToPath(url), 'utf8').split('\n').slice(0, line);
  return above.findLast((text) => /^\/\/ \S+\.js$/.test(text))?.slice(3) ?? '?';
}

function ownerOf({ url }: ProfiledFunction): string {
  return OWNERS.find(([, isOwn]) => isOwn(url))![0];
}

const percent = (share: number): string => `${(share * 100).toFixed(1)}%`;
