import { moleculerBalancing } from './balancing/moleculer.js';
import { ourBalancing } from './balancing/ours.js';
import { undiciBalancing } from './balancing/undici.js';
import { cockatielBreaker } from './breaker/cockatiel.js';
import { opossumBreaker } from './breaker/opossum.js';
import { ourBreaker } from './breaker/ours.js';
import { moleculerClusters } from './cluster/moleculer.js';
import { ourClusters } from './cluster/ours.js';
import { undiciClusters } from './cluster/undici.js';
import { axiosRetryRetry } from './retry/axios-retry.js';
import { cockatielRetry } from './retry/cockatiel.js';
import { ourRetry } from './retry/ours.js';
import { undiciRetry } from './retry/undici.js';
import { type Peer } from './support/peer.js';
import { versionOf } from './support/versions.js';

function peer(name: string, parts: Omit<Peer, 'name' | 'version'>): Peer {
  return { name, version: versionOf(name), ...parts };
}

/** This library, then the others. */
export const peers: readonly [Peer, ...Peer[]] = [
  peer('nest-service-discovery', {
    balancing: ourBalancing,
    cluster: ourClusters,
    breaker: ourBreaker,
    retry: ourRetry,
  }),
  peer('cockatiel', { breaker: cockatielBreaker, retry: cockatielRetry }),
  peer('opossum', { breaker: opossumBreaker }),
  peer('axios-retry', { retry: axiosRetryRetry }),
  peer('moleculer', { balancing: moleculerBalancing, cluster: moleculerClusters }),
  peer('undici', { balancing: undiciBalancing, cluster: undiciClusters, retry: undiciRetry }),
];
