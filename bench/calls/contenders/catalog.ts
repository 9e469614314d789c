import { type LoadBalancingStrategyName } from 'nest-service-discovery/core';
import { type Contender } from './contender.js';

/** What a contender calls. */
export type Via = 'backends' | 'nginx' | 'haproxy' | 'moleculer';

export interface Entry {
  readonly via: Via;
  /** Imports only this contender, so that a client process contains no others. */
  load(): Promise<Contender>;
}

const undici = async (): Promise<Contender> => (await import('./undici.js')).undici;

const ours = (strategy: LoadBalancingStrategyName): Entry => ({
  via: 'backends',
  load: async () => (await import('./ours.js')).ours(strategy),
});

/** Every strategy but the default, which is `ours`. */
type OtherStrategy = `ours/${Exclude<LoadBalancingStrategyName, 'round_robin'>}`;

export const CATALOG = {
  undici: { via: 'backends', load: undici },
  'undici-dispatch': { via: 'backends', load: async () => (await import('./undici-dispatch.js')).undiciDispatch },
  ours: ours('round_robin'),
  'ours/weighted_round_robin': ours('weighted_round_robin'),
  'ours/random': ours('random'),
  'ours/least_connections': ours('least_connections'),
  'ours/p2c_ewma': ours('p2c_ewma'),
  'ours/consistent_hash': ours('consistent_hash'),
  'ours/maglev': ours('maglev'),
  'ours/ip_hash': ours('ip_hash'),
  'ours-traced': { via: 'backends', load: async () => (await import('./ours-traced.js')).oursTraced },
  'ours-http-service': {
    via: 'backends',
    load: async () => (await import('./ours-http-service.js')).oursHttpService,
  },
  'http-service': { via: 'backends', load: async () => (await import('./http-service.js')).httpService },
  fetch: { via: 'backends', load: async () => (await import('./fetch.js')).nodeFetch },
  'axios-opossum': { via: 'backends', load: async () => (await import('./axios-opossum.js')).axiosOpossum },
  'undici-cockatiel': { via: 'backends', load: async () => (await import('./undici-cockatiel.js')).undiciCockatiel },
  'undici-nginx': { via: 'nginx', load: undici },
  'undici-haproxy': { via: 'haproxy', load: undici },
  moleculer: { via: 'moleculer', load: async () => (await import('./moleculer.js')).moleculer },
} as const satisfies Record<string, Entry> & Record<OtherStrategy, Entry>;

export type ContenderName = keyof typeof CATALOG;
