import { type StageName } from '../../resilience/index.js';
import { type Call } from './call.js';

/** The stages of a call in their order, the outermost first; from `load_balancing` on they are of one instance. */
export type CallStageName =
  StageName | 'service_circuit_breaker' | 'load_balancing' | 'outlier_detection' | 'concurrency';

/** What one stage of a call does, for people and for dashboards. */
export interface CallStageDescription {
  readonly stage: CallStageName;
  /** Of what there is one: a service, for all its calls, or each of its instances. */
  readonly per: 'service' | 'instance';
  /** What the stage does, and why it stands where it stands. */
  readonly purpose: string;
  /** The settings it works with, durations in milliseconds. */
  readonly options: Readonly<Record<string, unknown>>;
}

/**
 * One stage of every call with the same settings, and what it wraps. It keeps what it counts over all calls; what
 * belongs to one call is in {@link Call}. Stages are put together once, so that a stage which is off costs nothing.
 */
export interface CallStage {
  /** Its own, then those of what it wraps. */
  describe(): CallStageDescription[];
  /** @throws what ends the call */
  run<T>(call: Call<T>): Promise<T>;
}
