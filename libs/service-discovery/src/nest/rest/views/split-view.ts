import { type RolloutView, type SplitView } from '../../../client/index.js';
import { type Rollout, rolloutShare, type ServiceSplit } from '../../../model/index.js';
import { type PartFigures } from '../../../observability/index.js';

export function toSplitView(
  service: string,
  split: ServiceSplit | undefined,
  figures: readonly PartFigures[],
): SplitView {
  const sum = figures.reduce((all, { attempts }) => all + attempts, 0);
  return {
    service_name: service,
    via: split?.via ?? null,
    rollout: split?.rollout ? toRolloutView(split.rollout) : null,
    parts: figures.map(({ part, attempts, errors, p99 }) => ({
      part,
      attempts,
      share: attempts / sum,
      errors,
      error_rate: errors / attempts,
      p99_ms: p99,
    })),
  };
}

function toRolloutView(rollout: Rollout): RolloutView {
  const { version, state, steps, since, stepMs, maxErrorRate, maxP99Ms, minAttempts, reason, driver } = rollout;
  return {
    version,
    state,
    share: rolloutShare(rollout),
    steps,
    since: new Date(since).toISOString(),
    step_ms: stepMs,
    max_error_rate: maxErrorRate,
    max_p99_ms: maxP99Ms ?? null,
    min_attempts: minAttempts,
    reason: reason ?? null,
    driver: driver ?? null,
  };
}
