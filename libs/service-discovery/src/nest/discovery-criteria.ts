import {
  CRITERIA_NAMES,
  findCriteriaProblems,
  type LoadBalancing,
  type SelectionCriteria,
} from '../balancing/index.js';
import { invalidRequest } from '../common/index.js';
import { assertServiceName } from '../model/index.js';

/** Criteria for an endpoint. */
export interface DiscoveryCriteria extends SelectionCriteria {
  /**
   * Chooses among matching instances; a name alone keeps the module's other options. @default the module's
   * `loadBalancing`
   */
  strategy?: LoadBalancing | undefined;
  /** Key for hash strategies. */
  key?: string | undefined;
  /** Key for `ip_hash`: the address of the client behind the lookup. */
  clientIp?: string | undefined;
}

const FIELDS: Readonly<Record<Exclude<keyof DiscoveryCriteria, keyof SelectionCriteria>, true>> = {
  strategy: true,
  key: true,
  clientIp: true,
};

/** Fields of {@link DiscoveryCriteria}. */
export const DISCOVERY_NAMES = CRITERIA_NAMES.and(...Object.keys(FIELDS));

/** Matches every instance. */
export const NO_CRITERIA: DiscoveryCriteria = Object.freeze({});

/**
 * Checks for mistakes of JavaScript callers before the service is looked up.
 * @throws ServiceDiscoveryError `INVALID_REQUEST` if `serviceName` is not a service name or `criteria` not criteria
 */
export function checkDiscovery(serviceName: unknown, criteria: unknown, names = DISCOVERY_NAMES): void {
  assertServiceName(serviceName, 'serviceName');
  if (criteria === NO_CRITERIA) return;
  const problems = findCriteriaProblems(criteria, 'criteria', names);
  if (problems.length > 0) throw invalidRequest(problems, serviceName);
}
