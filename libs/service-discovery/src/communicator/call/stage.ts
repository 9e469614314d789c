import { type StageName } from '../../resilience/index.js';

/** The stages of a call in their order, the outermost first; from `load_balancing` on they are of one instance. */
export type CallStageName =
  StageName | 'service_circuit_breaker' | 'load_balancing' | 'outlier_detection' | 'concurrency';

/** What one stage of a call does, for people and for dashboards. */
export interface CallStageDescription {
  readonly stage: CallStageName;
  /** Whether there is one for the service or one for each of its instances. */
  readonly per: 'service' | 'instance';
  /** What the stage does, and why it stands where it stands. */
  readonly purpose: string;
  /** The settings it works with, durations in milliseconds. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** The same of a stage that there is one of for a service. */
export type ServiceStageDescription = Omit<CallStageDescription, 'per'>;
