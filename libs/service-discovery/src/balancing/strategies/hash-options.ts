import {
  custom,
  oneOf,
  OptionGroup,
  type OptionsOf,
  type OptionValidator,
  orFalse,
  type ResolvedOf,
} from '../../common/index.js';
import { type HashSource } from './hash-source.js';
import { HASH_STRATEGIES, LoadBalancingStrategy, type LoadBalancingStrategyName } from './strategy-names.js';

/** The strategies that need no key. */
export type KeylessStrategyName = Exclude<LoadBalancingStrategyName, (typeof HASH_STRATEGIES)[number]>;

const KEYLESS_STRATEGIES = Object.values(LoadBalancingStrategy).filter(
  (name): name is KeylessStrategyName => !(HASH_STRATEGIES as readonly string[]).includes(name),
);
const SOURCES_BY_NAME: readonly unknown[] = ['key', 'path', 'ip'];
const KINDS_WITH_NAME: readonly unknown[] = ['header', 'cookie', 'query'];
const MAX_BOUND = 10;

/** Options of hash strategies. */
export const HASH_OPTIONS = new OptionGroup('loadBalancing.hash', {
  /**
   * The source of a call's key: `'key'` (of the call), `'path'`, `'ip'`, `{ header }`, `{ cookie }`, `{ query }` or a function
   * of the request; of a list, the first that returns a text. `ip_hash` always uses `'ip'`.
   * @default 'key'
   */
  on: custom<HashSource | readonly HashSource[], readonly HashSource[]>({
    default: 'key',
    range: "`'key'`, `'path'`, `'ip'`, `{ header }`, `{ cookie }`, `{ query }`, a function, or a list of these",
    read: readSources,
  }),
  /** The strategy that chooses for calls without a key. @default 'p2c_ewma' */
  fallback: oneOf(KEYLESS_STRATEGIES, { default: 'p2c_ewma' }),
  /**
   * The multiple of the mean load, by weight, at which an instance's keys go to the next one: above 1, up to 10; false: no
   * limit. See Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing with Bounded Loads", 2016.
   * @default false
   */
  boundedLoad: orFalse(
    custom<number>({
      range: `above 1, up to ${MAX_BOUND}`,
      read: (value, path, check) => {
        if (typeof value === 'number' && value > 1 && value <= MAX_BOUND) return value;
        check.problem(path, value, `a number more than 1, up to ${MAX_BOUND}, or false`);
        return Number.NaN;
      },
    }),
  ),
});

export interface HashOptions extends OptionsOf<typeof HASH_OPTIONS> {}
export interface ResolvedHashOptions extends ResolvedOf<typeof HASH_OPTIONS> {}

/**
 * The sources of the keys that a strategy gets. Built-in strategies that use no key get none; custom strategies may use one.
 * @param strategy the strategy's name
 */
export function hashSourcesFor(strategy: string, { on }: ResolvedHashOptions): readonly HashSource[] {
  if (strategy === 'ip_hash') return ['ip'];
  return (KEYLESS_STRATEGIES as readonly string[]).includes(strategy) ? [] : on;
}

function readSources(on: unknown, path: string, check: OptionValidator): readonly HashSource[] {
  const sources: readonly unknown[] = Array.isArray(on) ? on : [on];
  if (sources.length === 0) check.problem(path, on, 'at least one source of a key');
  sources.forEach((source, index) => {
    if (isSource(source)) return;
    const expected = "'key', 'path', 'ip', { header }, { cookie } or { query } with a name, or a function";
    check.problem(Array.isArray(on) ? `${path}[${index}]` : path, source, expected);
  });
  return sources as readonly HashSource[];
}

function isSource(source: unknown): boolean {
  if (typeof source === 'function' || SOURCES_BY_NAME.includes(source)) return true;
  if (typeof source !== 'object' || source === null) return false;
  const entries = Object.entries(source) as [string, unknown][];
  return entries.length === 1 && entries.every(([kind, name]) => KINDS_WITH_NAME.includes(kind) && isName(name));
}

function isName(name: unknown): boolean {
  return typeof name === 'string' && name !== '';
}
