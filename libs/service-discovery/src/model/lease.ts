import { type InstanceKey } from './instance.js';

/** The right to be listed for `ttlMs` after the last renewal. Operations with an older generation have no effect. */
export interface Lease extends InstanceKey {
  readonly generation: number;
  readonly ttlMs: number;
}
