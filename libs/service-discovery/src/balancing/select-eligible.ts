import { type ServiceInstance } from '../model/index.js';
import { select } from './eligibility.js';
import { type PickContext } from './load-balancer.js';
import { Preferences } from './preferences.js';
import { type ResolvedLoadBalancingOptions, resolveLoadBalancingOptions } from './resolve-load-balancing-options.js';
import { type UnavailableReason } from './unavailable-reason.js';

/** What is left of a service's instances for one pick. */
export type EligibleResult =
  | { readonly kind: 'eligible'; readonly instances: readonly ServiceInstance[] }
  | { readonly kind: 'unavailable'; readonly reason: UnavailableReason };

const DEFAULTS = resolveLoadBalancingOptions();
const prepared = new WeakMap<ResolvedLoadBalancingOptions, Preferences>();

/**
 * The instances that may take a call, for a load balancer of the user's own: those that get a share of the calls, however
 * small, in the order of the list.
 * @param options those of `LoadBalancerDeps`
 * @throws ServiceDiscoveryError `INVALID_REQUEST` when `context.version` is no semver range
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
