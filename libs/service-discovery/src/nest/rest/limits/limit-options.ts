import { count, OptionGroup, type OptionsOf, type ResolvedOf } from '../../../common/index.js';
import { GREATEST_PAGE_LIMIT } from '../paging.js';

const MOST = 10_000_000;

/**
 * How much callers of the REST API may add to the registry, and how much a page of an answer shows. What exists may be renewed
 * and replaced at any limit.
 */
export const API_LIMIT_OPTIONS = new OptionGroup('limits', {
  /** How many services there may be before registrations of further ones are refused. From 1 to 10,000,000. @default 20,000 */
  services: count({ default: 20_000, min: 1, max: MOST }),
  /**
   * How many instances a service may have before registrations of further ones are refused. From 1 to 10,000,000.
   * @default 20,000
   */
  instancesPerService: count({ default: 20_000, min: 1, max: MOST }),
  /**
   * How many instances a caller may have registered over this process. All that show the shared token are one caller, and so are all
   * programs of this machine that show none, and all that `api.guard` lets in. From 1 to 10,000,000.
   * @default 50,000
   */
  instancesPerCaller: count({ default: 50_000, min: 1, max: MOST }),
  /**
   * How many registrations a caller may send in a minute, and at once after a quiet minute; repeated ones count, heartbeats do not.
   * From 1 to 1,000,000.
   * @default 30,000
   */
  registrationsPerMinute: count({ default: 30_000, min: 1, max: 1_000_000 }),
  /** How many instances a page of a list shows at most, whatever `limit` asks for. From 1 to 10,000. @default 10,000 */
  pageSize: count({ default: GREATEST_PAGE_LIMIT, min: 1, max: GREATEST_PAGE_LIMIT }),
});

export interface ApiLimitOptions extends OptionsOf<typeof API_LIMIT_OPTIONS> {}
export interface ResolvedApiLimitOptions extends ResolvedOf<typeof API_LIMIT_OPTIONS> {}
