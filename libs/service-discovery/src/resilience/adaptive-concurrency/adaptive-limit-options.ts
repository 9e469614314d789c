import { count, custom, duration, number, OptionGroup, type OptionsOf, type ResolvedOf } from '../../common/index.js';

const MOST_CALLS = 100_000;

/** How a concurrency limit adapts to the callee. */
export const ADAPTIVE_LIMIT_OPTIONS = new OptionGroup(
  'adaptiveConcurrency',
  {
    /**
     * The first limit. A whole number from `min` to `max`.
     * @default 20, or the nearest that is allowed
     */
    initial: custom<number>({ default: 20, range: '`min`–`max`', read: checkedBelow }),
    /**
     * The lowest limit. A whole number from 1 to `max`.
     * @default 4, or `max`
     */
    min: custom<number>({ default: 4, range: '1–`max`', read: checkedBelow }),
    /**
     * The highest limit. A whole number from 1 to 100,000.
     * @default 1000
     */
    max: count({ default: 1_000, min: 1, max: MOST_CALLS }),
    /**
     * The factor by which latency may exceed that without load before the limit falls. From 1.1 to 10.
     * @default 1.5
     */
    tolerance: number({ default: 1.5, min: 1.1, max: 10 }),
    /**
     * How fast the limit rises while calls reach it and answers are fast: by this factor of its square root per window.
     * From 0.01 to 1.
     * @default 0.2
     */
    smoothing: number({ default: 0.2, min: 0.01, max: 1 }),
    /**
     * The time between two steps of the limit: longer when there are fewer than 20 answers, or when they take more than half
     * of it. From 10 ms to 1 min.
     * @default 100 ms
     */
    window: duration({ default: 100, minMs: 10, maxMs: 60_000, usuallyMs: true }),
    /**
     * Calls beyond the limit that may wait, first come first served; more are refused. A whole number from 0 to 100,000.
     * @default 0
     */
    maxQueue: count({ default: 0, min: 0, max: MOST_CALLS }),
    /**
     * How long a call may wait. From 1 ms to 1 h.
     * @default 1 s
     */
    maxWait: duration({ default: 1_000, minMs: 1, maxMs: 3_600_000, usuallyMs: true }),
  },
  (resolved, given, check) => {
    const within = (name: 'initial' | 'min', least: number, most: number): number =>
      check.number(name, given[name], { min: least || 1, max: most || MOST_CALLS, integer: true });
    // A default yields to what was set. With wrong limits no default fits, which is not reported as another mistake.
    const { max } = resolved;
    resolved.min = given.min === undefined ? Math.min(resolved.min, max) : within('min', 1, max);
    resolved.initial =
      given.initial === undefined
        ? Math.max(resolved.min, Math.min(resolved.initial, max))
        : within('initial', resolved.min, max);
  },
);

/** What bounds it is known once all options are. */
function checkedBelow(value: unknown): number {
  return value as number;
}

export interface AdaptiveLimitOptions extends OptionsOf<typeof ADAPTIVE_LIMIT_OPTIONS> {}
export interface ResolvedAdaptiveLimitOptions extends ResolvedOf<typeof ADAPTIVE_LIMIT_OPTIONS> {}
