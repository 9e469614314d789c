import {
  CRITERIA_NAMES,
  findCriteriaProblems,
  type LoadBalancing,
  type SelectionCriteria,
} from '../balancing/index.js';
import { invalidRequest } from '../common/index.js';
import { assertServiceName } from '../model/index.js';

/** What is wanted of an endpoint. */
export interface DiscoveryCriteria extends SelectionCriteria {
  /** Which of the instances that fit; a name alone goes by the module's other options. @default the module's `loadBalancing` */
  strategy?: LoadBalancing | undefined;
  /** What hash strategies go by. */
  key?: string | undefined;
  /** What `ip_hash` goes by: the address of the client on whose behalf the service is asked. */
  clientIp?: string | undefined;
}

const FIELDS: Readonly<Record<Exclude<keyof DiscoveryCriteria, keyof SelectionCriteria>, true>> = {
  strategy: true,
  key: true,
  clientIp: true,
};

/** Those of {@link DiscoveryCriteria}. */
export const DISCOVERY_NAMES = CRITERIA_NAMES.and(...Object.keys(FIELDS));

/** Whatever there is. */
export const NO_CRITERIA: DiscoveryCriteria = Object.freeze({});

/**
 * Checks what JavaScript callers get wrong before a service is looked for.
 * @throws ServiceDiscoveryError `INVALID_REQUEST` that names what is no service name, or no criteria
 */
export function checkDiscovery(serviceName: unknown, criteria: unknown, names = DISCOVERY_NAMES): void {
  assertServiceName(serviceName, 'serviceName');
  if (criteria === NO_CRITERIA) return;
  const problems = findCriteriaProblems(criteria, 'criteria', names);
  if (problems.length > 0) throw invalidRequest(problems, serviceName);
}
