import { CATALOG, type ContenderName } from './contenders/catalog.js';
import { type Load } from './client/load.js';

/**
 * Servers for HTTP contenders: minimal ones, all in one process; or node:http servers, each in its own process, like
 * Nest apps.
 */
export type Backends = 'canned-http' | 'node-http';

/** One contender with a number of instances, and a registry with a number of services. */
export interface Lane {
  readonly contender: ContenderName;
  readonly backends: Backends;
  readonly instances: number;
  readonly services: number;
}

/** Lanes that are interleaved under the same load. */
export interface Scenario {
  readonly name: string;
  readonly load: Load;
  readonly lanes: readonly Lane[];
  /** The baseline for the others, round by round. */
  readonly base: Lane;
  /** Above one for the most important table. */
  readonly weight: number;
}

const USUAL_LOAD: Load = { concurrency: 64, bytes: 200, method: 'GET' };

/** @param services in the registry */
export const lane = (
  contender: ContenderName,
  instances = 3,
  services = 10,
  backends: Backends = 'canned-http',
): Lane => ({ contender, backends, instances, services });

/** With three realistic servers. */
export const laneToNode = (contender: ContenderName): Lane => lane(contender, 3, 10, 'node-http');

const FLOOR = lane('undici');

const ALL: readonly ContenderName[] = [
  'undici',
  'undici-dispatch',
  'ours',
  'ours-http-service',
  'http-service',
  'fetch',
  'axios-opossum',
  'undici-cockatiel',
  'undici-nginx',
  'undici-haproxy',
  'moleculer',
];

const STRATEGIES: readonly ContenderName[] = [
  'undici',
  'ours',
  ...(Object.keys(CATALOG) as ContenderName[]).filter((name) => name.startsWith('ours/')),
];

/** The cost of a call with and without a proxy. */
const PROXIED: readonly ContenderName[] = ['undici', 'ours', 'undici-nginx', 'undici-haproxy'];

/** For scenarios that vary one dimension: the baseline, ours, and the most common alternatives. */
const FEW: readonly ContenderName[] = ['undici', 'ours', 'axios-opossum', 'undici-haproxy', 'moleculer'];

function scenario(name: string, contenders: readonly ContenderName[], load: Partial<Load>, weight = 1): Scenario {
  return { name, load: { ...USUAL_LOAD, ...load }, lanes: contenders.map((one) => lane(one)), base: FLOOR, weight };
}

/**
 * The first two are the main table; each of the others changes one thing. `node-http` is `c64` with servers that do
 * real work.
 */
export const SCENARIOS: readonly Scenario[] = [
  scenario('c64', ALL, {}, 2),
  scenario('c1', ALL, { concurrency: 1 }, 2),
  { ...scenario('node-http', [], {}, 2), lanes: PROXIED.map(laneToNode), base: laneToNode('undici') },
  scenario('tracing', ['undici', 'ours', 'ours-traced'], {}),
  scenario('strategies', STRATEGIES, {}),
  scenario('c512', FEW, { concurrency: 512 }),
  scenario('10KB', FEW, { bytes: 10_240 }),
  scenario('100KB', FEW, { bytes: 102_400 }),
  scenario('post', FEW, { method: 'POST' }),
  {
    ...scenario('instances', [], {}),
    lanes: [lane('undici', 3), lane('undici', 100), lane('ours', 3), lane('ours', 100)],
  },
  {
    ...scenario('services', [], {}),
    lanes: [FLOOR, lane('ours', 3, 10), lane('ours', 3, 10_000)],
  },
];

/** Key of a lane and its processes. */
export const keyOf = ({ contender, backends, instances, services }: Lane): string =>
  `${contender}@${instances}x${backends}/${services}`;
