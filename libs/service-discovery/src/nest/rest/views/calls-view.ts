import {
  type CallStageDescription,
  type CircuitBreakerView,
  type EjectionView,
  type ServiceExplanation,
} from '../../../communicator/index.js';
import { toSettingsView } from './settings-view.js';
import { snakeCaseAll } from './snake-case.js';

/** One breaker, as the answer of `GET /circuit-breakers` lists it. */
export interface CircuitBreakerBody {
  readonly service_name: string;
  /** Null for the breaker of the service as a whole. */
  readonly instance_id: string | null;
  readonly state: CircuitBreakerView['state'];
  /** State forced by an operator; null: none. */
  readonly forced: CircuitBreakerView['forced'] | null;
  /** The failures that count now, or that opened it. */
  readonly failures: number;
  /** Closed although a condition to open is met, since too many circuits of the service are open. */
  readonly held_closed: boolean;
  /** The calls that a rate goes by: `calls`, `failed`, `slow` and their shares; null where no rate opens the circuit. */
  readonly window: Readonly<Record<string, number>> | null;
  readonly state_age_ms: number;
  /** Half open: how many probes are under way. */
  readonly probes: number;
  /** Closed: the share of the calls that is let through. */
  readonly share: number;
  /** When calls get through again; null if they do, or if it is unknown. */
  readonly retry_after_ms: number | null;
}

export function toCircuitBreakerBody(breaker: CircuitBreakerView): CircuitBreakerBody {
  const { service, instanceId, state, forced, failures, heldClosed, window, stateAgeMs, probes, share, retryAfterMs } =
    breaker;
  return {
    service_name: service,
    instance_id: instanceId ?? null,
    state,
    forced: forced ?? null,
    failures,
    held_closed: heldClosed ?? false,
    window: window ? (snakeCaseAll(window) as Record<string, number>) : null,
    state_age_ms: stateAgeMs,
    probes,
    share,
    retry_after_ms: retryAfterMs ?? null,
  };
}

/** What the library tells of calls, with its names in snake_case; what does not apply is left out. */
export type CallsView = Readonly<Record<string, unknown>>;

export function toEjectionBody({ service, ...ejection }: EjectionView): CallsView {
  return { service_name: service, ...(snakeCaseAll(ejection) as object) };
}

export function toExplanationBody({ service, ...explanation }: ServiceExplanation): CallsView {
  return { service_name: service, ...(snakeCaseAll(explanation) as object) };
}

/** A stage and its settings, with the names and the seconds of a pattern's. */
export function toStageBody({ options, ...stage }: CallStageDescription): CallsView {
  return { ...(snakeCaseAll(stage) as object), options: toSettingsView(options) };
}
