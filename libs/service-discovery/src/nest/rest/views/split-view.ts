import { type SplitView } from '../../../client/index.js';
import { type ServiceSplit } from '../../../model/index.js';
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
