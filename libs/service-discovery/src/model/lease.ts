import { type InstanceKey } from './instance.js';

/** The right to be listed for `ttlMs` from the last renewal on. An older generation can change nothing. */
export interface Lease extends InstanceKey {
  readonly generation: number;
  readonly ttlMs: number;
}
