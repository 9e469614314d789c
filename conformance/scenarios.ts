import { balancingScenarios } from './balancing/scenarios.js';
import { breakerScenarios } from './breaker/scenarios.js';
import { clusterScenarios } from './cluster/scenarios.js';
import { retryScenarios } from './retry/scenarios.js';
import { type Scenario } from './support/scenario.js';

/** All scenarios, in the order of the report. */
export const scenarios: readonly Scenario[] = [
  ...balancingScenarios,
  ...clusterScenarios,
  ...breakerScenarios,
  ...retryScenarios,
];
