/** Injection tokens of what is no class of its own; the classes are their own tokens. */

/**
 * The options in force, checked, with every default filled in: `ResolvedServiceDiscoveryOptions`. A test may override it with
 * those, or with options as `forRoot` takes them.
 */
export const SERVICE_DISCOVERY_OPTIONS = Symbol('nest-service-discovery:options');
/** `SERVICE_DISCOVERY_OPTIONS`, resolved also where a test has overridden them with options that are not: what the library injects. */
export const OPTIONS_IN_FORCE = Symbol('nest-service-discovery:options-in-force');
/** Where the library takes its time from: a `Clock`. Override it in tests with `ManualClock`. */
export const CLOCK = Symbol('nest-service-discovery:clock');
/** Where the library takes its random numbers from: a `Random`. */
export const RANDOM = Symbol('nest-service-discovery:random');
/** Where registrations live: a `RegistryStore`. */
export const REGISTRY_STORE = Symbol('nest-service-discovery:registry-store');
/** What sends requests: a `Transport`. */
export const TRANSPORT = Symbol('nest-service-discovery:transport');

/** What this process is called in the journal and in reports: a `JournalWriter`. */
export const JOURNAL_WRITER = Symbol('nest-service-discovery:journal-writer');
/** Where services may be: a `HostPolicy`. */
export const HOST_POLICY = Symbol('nest-service-discovery:host-policy');
