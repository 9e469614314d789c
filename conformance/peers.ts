import { cockatielBreaker } from './breaker/cockatiel.js';
import { opossumBreaker } from './breaker/opossum.js';
import { ourBreaker } from './breaker/ours.js';
import { type Peer } from './support/peer.js';
import { versionOf } from './support/versions.js';

/** This library, then the others. */
export const peers: readonly [Peer, ...Peer[]] = [
  { name: 'nest-service-discovery', version: versionOf('nest-service-discovery'), breaker: ourBreaker },
  { name: 'cockatiel', version: versionOf('cockatiel'), breaker: cockatielBreaker },
  { name: 'opossum', version: versionOf('opossum'), breaker: opossumBreaker },
];
