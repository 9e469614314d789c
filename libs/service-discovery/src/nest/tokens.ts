/** Injection tokens of everything that is not a class; a class is its own token. */

/**
 * The resolved options: `ResolvedServiceDiscoveryOptions`. A test may override it with resolved options, or with options as
 * `forRoot` takes them.
 */
export const SERVICE_DISCOVERY_OPTIONS = Symbol('nest-service-discovery:options');
/** `SERVICE_DISCOVERY_OPTIONS`, resolved even if a test has overridden it with unresolved options. The library injects these. */
export const OPTIONS_IN_FORCE = Symbol('nest-service-discovery:options-in-force');
/** The library's clock: a `Clock`. Override it in tests with `ManualClock`. */
export const CLOCK = Symbol('nest-service-discovery:clock');
/** The library's source of random numbers: a `Random`. */
export const RANDOM = Symbol('nest-service-discovery:random');
/** Where registrations live: a `RegistryStore`. */
export const REGISTRY_STORE = Symbol('nest-service-discovery:registry-store');
/** Sends requests: a `Transport`. */
export const TRANSPORT = Symbol('nest-service-discovery:transport');

/** The name of this process in the journal and in reports: a `JournalWriter`. */
export const JOURNAL_WRITER = Symbol('nest-service-discovery:journal-writer');
/** The hosts that instances may have: a `HostPolicy`. */
export const HOST_POLICY = Symbol('nest-service-discovery:host-policy');
