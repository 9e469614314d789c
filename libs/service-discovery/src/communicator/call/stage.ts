import { type StageName } from '../../resilience/index.js';

/** The stages of a call, outermost first; from `load_balancing` on they belong to one instance. */
export type CallStageName =
  StageName | 'service_circuit_breaker' | 'load_balancing' | 'outlier_detection' | 'concurrency';

/** Describes one stage of a call, for people and dashboards. */
export interface CallStageDescription {
  readonly stage: CallStageName;
  /** Whether it exists per service or per instance. */
  readonly per: 'service' | 'instance';
  /** What the stage does and why it is in this position. */
  readonly purpose: string;
  /** Its settings, durations in milliseconds. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** The description of a stage that exists per service. */
export type ServiceStageDescription = Omit<CallStageDescription, 'per'>;
