import { OptionValidator } from '../common/index.js';
import { type ExpiryHold, type WatchScope } from '../model/index.js';

/**
 * When expiry of a service is held. Most instances of a service do not crash at once, their network or the registry
 * fails; taking them out would turn that into an outage. So when the lease of one runs out while `minInstances` or more,
 * and more than `share`, of all listed instances of its service miss their heartbeats, nothing of that service expires:
 *
 * - An instance misses its heartbeats when nothing came of it for two thirds of its lease. Heartbeats come every third,
 *   each instance at its own moment: to count only what has run out would let them all go, a few at a time. (Where
 *   they come less often than every two thirds, live instances look late, too; a hold is then likelier than it need be.)
 * - A hold ends when no lease is run out any more, or when the share has been low for a third of a lease, in which those
 *   that are about to come back do.
 * - No instance is held for longer than one more lease, so a real scale-down is through after two leases without
 *   heartbeats. What was held once is not held again.
 *
 * The idea is Eureka's self-preservation, which counts over all services, and never ends after a real scale-down.
 */
export interface SelfPreservationOptions {
  /**
   * The share of a service's instances that may miss their heartbeats together and still expire as usual: 0 to 1. The
   * loss of a zone out of two or three stays below the default. Where more go, those that are left could hardly carry
   * the load, as with the panic threshold of Envoy.
   * @default 0.5
   */
  share: number;
  /** Fewer than these always expire as usual, however few there are: 1 to 100,000. @default 3 */
  minInstances: number;
}

export const DEFAULT_SELF_PRESERVATION_OPTIONS: SelfPreservationOptions = { share: 0.5, minInstances: 3 };

/** More than all of them never miss their heartbeats. */
const NEVER: SelfPreservationOptions = { share: 1, minInstances: 1 };

/**
 * Fills in the defaults.
 * @param options false: expiry is never held
 * @param path what stands before an option's name in a problem
 * @throws InvalidConfigurationError naming every wrong option
 */
export function resolveSelfPreservationOptions(
  options?: Partial<SelfPreservationOptions> | false,
  path = 'selfPreservation',
): SelfPreservationOptions {
  if (options === false) return NEVER;
  const check = new OptionValidator(path);
  const given = check.options('', options, DEFAULT_SELF_PRESERVATION_OPTIONS);
  const share = check.number('share', given.share, { min: 0, max: 1 });
  const minInstances = check.number('minInstances', given.minInstances, { min: 1, max: 100_000, integer: true });
  check.throwIfAny();
  return { share, minInstances };
}

/** The holds within a scope, as a reset carries them: nothing where there is none. */
export function holdsWithin(
  holds: ReadonlyMap<string, ExpiryHold>,
  { services }: WatchScope,
): { readonly holds?: ReadonlyMap<string, ExpiryHold> } {
  const within = services ? new Map([...holds].filter(([name]) => services.includes(name))) : new Map(holds);
  return within.size > 0 ? { holds: within } : {};
}
