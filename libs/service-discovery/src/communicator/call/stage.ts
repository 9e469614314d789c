import { type Call } from './call.js';

/**
 * One stage of every call with the same settings, and what it wraps. It keeps what it counts over all calls; what
 * belongs to one call is in {@link Call}. Stages are put together once, so that a stage which is off costs nothing.
 */
export interface CallStage {
  /** @throws what ends the call */
  run<T>(call: Call<T>): Promise<T>;
}
