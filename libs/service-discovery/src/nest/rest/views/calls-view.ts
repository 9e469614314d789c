import { type CallsView, type CircuitBreakerBody, type ExplanationView } from '../../../client/index.js';
import {
  type CallStageDescription,
  type CircuitBreakerView,
  type EjectionView,
  type ServiceExplanation,
} from '../../../communicator/index.js';
import { snakeCaseAll, toSettingsView } from './settings-view.js';

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

export function toEjectionBody({ service, ...ejection }: EjectionView): CallsView {
  return { service_name: service, ...(snakeCaseAll(ejection) as object) };
}

export function toExplanationBody({ service, ...explanation }: ServiceExplanation): ExplanationView {
  return { service_name: service, ...(snakeCaseAll(explanation) as object) } as ExplanationView;
}

/** A stage and its settings, with the names and the seconds of a pattern's. */
export function toStageBody({ options, ...stage }: CallStageDescription): CallsView {
  return { ...(snakeCaseAll(stage) as object), options: toSettingsView(options) };
}
