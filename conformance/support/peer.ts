import { type BalancingParts } from '../balancing/balancer-part.js';
import { type MakeBreaker } from '../breaker/breaker-part.js';
import { type ClusterParts } from '../cluster/cluster-part.js';
import { type RetryParts } from '../retry/retry-part.js';

/** A library under test, by its parts. Missing parts show as – in the table. */
export interface Peer {
  readonly name: string;
  readonly version: string;
  readonly balancing?: BalancingParts;
  readonly cluster?: ClusterParts;
  readonly breaker?: MakeBreaker;
  readonly retry?: RetryParts;
}
