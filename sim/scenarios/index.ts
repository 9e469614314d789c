import { stuckInstance } from './stuck-instance.js';
import { boundedLoads } from './bounded-loads.js';
import { hedging } from './hedging.js';
import { metastableOverload } from './metastable-overload.js';
import { retryAmplification } from './retry-amplification.js';
import { rollingRestart } from './rolling-restart.js';
import { type Scenario } from './scenario.js';

/** All scenarios, in the order in which they are printed. */
export const SCENARIOS: readonly Scenario[] = [
  stuckInstance,
  retryAmplification,
  hedging,
  boundedLoads,
  metastableOverload,
  rollingRestart,
];
