import { count, OptionGroup, type OptionsOf, type ResolvedOf } from '../../../common/index.js';
import { GREATEST_PAGE_LIMIT } from '../paging.js';

const MOST = 10_000_000;

/**
 * Limits on what callers of the REST API may add to the registry, and on the size of a page. Existing registrations can be
 * renewed and replaced even when a limit is reached.
 */
export const API_LIMIT_OPTIONS = new OptionGroup('limits', {
  /** Maximum number of services; registrations of further ones are refused. From 1 to 10,000,000. @default 20,000 */
  services: count({ default: 20_000, min: 1, max: MOST }),
  /**
   * Maximum number of instances of a service; registrations of further ones are refused. From 1 to 10,000,000.
   * @default 20,000
   */
  instancesPerService: count({ default: 20_000, min: 1, max: MOST }),
  /**
   * Maximum number of instances that a caller has registered with this process. All requests with the shared token count as
   * one caller; so do all local requests without a token, and all that `api.guard` admits. From 1 to 10,000,000.
   * @default 50,000
   */
  instancesPerCaller: count({ default: 50_000, min: 1, max: MOST }),
  /**
   * Registrations per minute of a caller, which is also the burst after a quiet minute. Repeated registrations count,
   * heartbeats do not. From 1 to 1,000,000.
   * @default 30,000
   */
  registrationsPerMinute: count({ default: 30_000, min: 1, max: 1_000_000 }),
  /** Maximum number of instances on a page of a list; caps the request's `limit`. From 1 to 10,000. @default 10,000 */
  pageSize: count({ default: GREATEST_PAGE_LIMIT, min: 1, max: GREATEST_PAGE_LIMIT }),
});

export interface ApiLimitOptions extends OptionsOf<typeof API_LIMIT_OPTIONS> {}
export interface ResolvedApiLimitOptions extends ResolvedOf<typeof API_LIMIT_OPTIONS> {}
