import { count, custom, number, OptionGroup, type OptionsOf } from '../common/index.js';
import { type ExpiryHold, type WatchScope } from '../model/index.js';

/**
 * When expiry of a service is held. Most instances of a service rarely crash at once; a failing network or registry is
 * more likely, and expiring the instances would turn that failure into an outage. So when a lease expires while at
 * least `minInstances`, and more than `share`, of the instances of its service are missing heartbeats, no instance of
 * that service expires:
 *
 * - An instance is missing heartbeats if none came for two thirds of its lease. Instances send one every third of a
 *   lease, each at its own time; counting expired leases only would let all of them expire, a few at a time. (If
 *   heartbeats come less often than every two thirds of a lease, live instances count as missing too, which makes a
 *   hold more likely.)
 * - A hold ends when no lease is expired any more, or when the share has been low for a third of a lease, by which time
 *   the instances that are still alive have sent a heartbeat.
 * - An instance is held for at most one more lease, so a real scale-down completes after two leases without heartbeats.
 *   An instance is held only once.
 *
 * The idea is Eureka's self-preservation, which counts over all services and never ends after a real scale-down.
 */
export const SELF_PRESERVATION_OPTIONS = new OptionGroup('selfPreservation', {
  /**
   * The share of a service's instances that may miss heartbeats together and still expire as usual: 0 to 1. Losing one
   * of two or three zones stays within the default. If more are lost, the remaining instances could hardly carry the
   * load, as with Envoy's panic threshold.
   * @default 0.5
   */
  share: number({ default: 0.5, min: 0, max: 1 }),
  /** Fewer instances than this always expire as usual: 1 to 100,000. @default 3 */
  minInstances: count({ default: 3, min: 1, max: 100_000 }),
});

export interface SelfPreservationOptions extends OptionsOf<typeof SELF_PRESERVATION_OPTIONS> {}

/** A share of 1 is never exceeded. */
const NEVER: SelfPreservationOptions = { share: 1, minInstances: 1 };

/**
 * Fills in the defaults.
 * @param options false: expiry is never held
 * @param path prefix of option names in error messages
 * @throws InvalidConfigurationError naming every wrong option
 */
export function resolveSelfPreservationOptions(
  options?: Partial<SelfPreservationOptions> | false,
  path = 'selfPreservation',
): SelfPreservationOptions {
  return options === false ? NEVER : SELF_PRESERVATION_OPTIONS.resolve(options, path);
}

/** The option of a store that holds these options; false: expiry is never held. */
export const SELF_PRESERVATION = custom<Partial<SelfPreservationOptions> | false, SelfPreservationOptions>({
  default: {},
  range: 'options or `false`',
  inner: SELF_PRESERVATION_OPTIONS,
  switchable: true,
  read: (value, path, check) =>
    // What is wrong is reported, so that nothing goes on with undefined.
    check.gather(() => resolveSelfPreservationOptions(value as SelfPreservationOptions, check.pathOf(path)))!,
});

/** The holds within a scope, in the form that a reset carries them; empty if there are none. */
export function holdsWithin(
  holds: ReadonlyMap<string, ExpiryHold>,
  { services }: WatchScope,
): { readonly holds?: ReadonlyMap<string, ExpiryHold> } {
  const within = services ? new Map([...holds].filter(([name]) => services.includes(name))) : new Map(holds);
  return within.size > 0 ? { holds: within } : {};
}
