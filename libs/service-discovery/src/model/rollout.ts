import { isPlainObject } from '../common/index.js';

/** `running`: the steps are under way. `rolled_back`: it did badly. `aborted`: an operator ended it. */
export const ROLLOUT_STATES = ['running', 'completed', 'rolled_back', 'aborted'] as const;
export type RolloutState = (typeof ROLLOUT_STATES)[number];

/** How a new version gets its calls, and what sends them back to the others. */
interface RolloutPlan {
  /** The semver range of the new version; the calls that it does not get go to all others. */
  readonly version: string;
  /** The share of the new version at each step, in per cent; the last one is 100. */
  readonly steps: readonly number[];
  /** How long a step takes at least. */
  readonly stepMs: number;
  /** The share of failed attempts at the new version, 0 to 1, above which it is rolled back. */
  readonly maxErrorRate: number;
  /** The p99 of attempts at the new version above which it is rolled back. Undefined: latency does not matter. */
  readonly maxP99Ms?: number;
  /** So many attempts at the new version decide a step. */
  readonly minAttempts: number;
}

/** The state of a rollout. It is a part of how the calls to its service are split, so all callers follow it. */
export interface Rollout extends RolloutPlan {
  readonly state: RolloutState;
  /** Index of the present step, or of the one at which it ended. */
  readonly step: number;
  /** When the step, or the end, began, in milliseconds since the Unix epoch. */
  readonly since: number;
  /** Why it was rolled back or aborted. */
  readonly reason?: string;
  /** Which process moves it; undefined: none does yet. */
  readonly driver?: string;
  /** Grows as long as that process lives. */
  readonly beat: number;
}

/** The share of calls that the new version gets, in per cent. */
export function rolloutShare({ state, steps, step }: Rollout): number {
  if (state === 'running') return steps[step] ?? 0;
  return state === 'completed' ? 100 : 0;
}

/** Whether something that another process sent is a rollout. */
export function isRollout(value: unknown): value is Rollout {
  if (!isPlainObject(value)) return false;
  const { version, steps, state, step, maxP99Ms, reason, driver } = value;
  const numbers = [value.stepMs, value.maxErrorRate, value.minAttempts, value.since, value.beat, maxP99Ms ?? 0];
  return (
    isShortText(version) &&
    Array.isArray(steps) &&
    steps.length > 0 &&
    steps.length <= MAX_STEPS &&
    steps.every((share) => isAmount(share) && share <= 100) &&
    ROLLOUT_STATES.includes(state as RolloutState) &&
    Number.isInteger(step) &&
    steps[step as number] !== undefined &&
    numbers.every(isAmount) &&
    [reason, driver].every((text) => text === undefined || isShortText(text))
  );
}

/** More would be a ramp that takes longer than a release. */
export const MAX_STEPS = 20;

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

function isShortText(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= 512;
}
