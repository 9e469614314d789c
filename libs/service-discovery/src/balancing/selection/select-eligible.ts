import { type ServiceInstance } from '../../model/index.js';
import { type PickContext } from '../load-balancer.js';
import { type ResolvedLoadBalancingOptions, LOAD_BALANCING_OPTIONS } from '../load-balancing-options.js';
import { select } from './eligibility.js';
import { type UnavailableReason } from './explanation.js';
import { Preferences } from './preferences.js';

/** The instances of a service that one pick may choose from. */
export type EligibleResult =
  | { readonly kind: 'eligible'; readonly instances: readonly ServiceInstance[] }
  | { readonly kind: 'unavailable'; readonly reason: UnavailableReason };

const DEFAULTS = LOAD_BALANCING_OPTIONS.resolve();
const prepared = new WeakMap<ResolvedLoadBalancingOptions, Preferences>();

/**
 * The instances that may take a call, for a load balancer of your own: every one that gets any share of the calls, in list
 * order.
 * @param options those of `LoadBalancerDeps`
 * @throws ServiceDiscoveryError `INVALID_REQUEST` when `context.version` is not a semver range
 */
export function selectEligible(
  instances: readonly ServiceInstance[],
  context: PickContext = {},
  options: ResolvedLoadBalancingOptions = DEFAULTS,
): EligibleResult {
  let preferences = prepared.get(options);
  if (!preferences) prepared.set(options, (preferences = new Preferences(options)));
  const selected = select(instances, context, preferences);
  if (selected.kind === 'unavailable') return { kind: 'unavailable', reason: selected.reason };
  const [first, ...others] = selected.pools;
  if (first && others.length === 0) return { kind: 'eligible', instances: first.members };
  const members = new Set(selected.pools.flatMap((pool) => pool.members));
  return { kind: 'eligible', instances: instances.filter((instance) => members.has(instance)) };
}
