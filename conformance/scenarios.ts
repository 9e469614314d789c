import { breakerScenarios } from './breaker/scenarios.js';
import { type Scenario } from './support/scenario.js';

/** All scenarios, in the order in which they are told of. */
export const scenarios: readonly Scenario[] = [...breakerScenarios];
