import { isDeepStrictEqual } from 'node:util';
import { type LoadBalancing, mergeLoadBalancing } from '../../balancing/index.js';
import { isRecord } from '../../common/index.js';
import { overlayGroup } from '../../communicator/index.js';
import { type ServiceDiscoveryOptions } from './options.js';
import { namesIn } from './known-options.js';

type Layer = Readonly<Record<string, unknown>>;

/**
 * Merges layers of options; later ones override, value by value within groups, and undefined overrides nothing. Of two
 * values that bound each other, such as `retry.baseDelay` and `retry.maxDelay`, the one of the weaker layer adapts.
 */
export function layer(...layers: readonly ServiceDiscoveryOptions[]): ServiceDiscoveryOptions {
  const merged: Record<string, unknown> = {};
  for (const options of layers) {
    for (const [name, value] of Object.entries(options)) {
      if (value === undefined) continue;
      if (name === 'loadBalancing') merged[name] = layLoadBalancing(merged[name], value);
      else if (name === 'redis') merged[name] = layRedis(merged[name], value);
      else
        merged[name] =
          isGroup(name, value) && isGroup(name, merged[name]) ? overlayGroup(name, merged[name], value) : value;
    }
  }
  return merged;
}

/** The part of `options` that differs from `base`. */
export function difference(options: ServiceDiscoveryOptions, base: ServiceDiscoveryOptions): ServiceDiscoveryOptions {
  const rest: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) {
    const known = (base as Layer)[name];
    if (isDeepStrictEqual(value, known)) continue;
    rest[name] =
      isGroup(name, value) && isGroup(name, known)
        ? Object.fromEntries(Object.entries(value).filter(([key, own]) => !isDeepStrictEqual(own, known[key])))
        : value;
  }
  return rest;
}

/** Builds a layer from values at paths such as `retry.maxAttempts`. */
export function fromPaths(
  values: readonly { readonly path: string; readonly value: unknown }[],
): ServiceDiscoveryOptions {
  const options: Record<string, unknown> = {};
  for (const { path, value } of values) {
    const names = path.split('.');
    const last = names.pop()!;
    let inner = options;
    for (const name of names) inner = (inner[name] ??= {}) as Record<string, unknown>;
    inner[last] = value;
  }
  return options;
}

/** Whether a value is set at a path; a group set to false counts as setting every option in it. */
export function isSet(options: ServiceDiscoveryOptions, path: string): boolean {
  const [name = '', key, inner] = path.split('.');
  const value = (options as Layer)[name];
  if (name === 'loadBalancing') return namesStrategy(value);
  if (key === undefined || !isGroup(name, value)) return value !== undefined;
  const own = value[key];
  return inner === undefined || !isRecord(own) ? own !== undefined : own[inner] !== undefined;
}

/** Whether an option is named at a path, with or without a value. */
export function isNamed(options: ServiceDiscoveryOptions, path: string): boolean {
  const [name = '', key] = path.split('.');
  if (!Object.hasOwn(options, name) || key === undefined) return Object.hasOwn(options, name);
  const value = (options as Layer)[name];
  return isRecord(value) && Object.hasOwn(value, key);
}

/** Whether an option is present with the value undefined, which is not the same as leaving it out. */
export function lacksValue(options: ServiceDiscoveryOptions, name: keyof ServiceDiscoveryOptions): boolean {
  return Object.hasOwn(options, name) && options[name] === undefined;
}

/** A strategy keeps the options of the lower layer, and options keep its strategy. Invalid values pass: the check rejects them. */
function layLoadBalancing(base: unknown, over: unknown): unknown {
  return mergeLoadBalancing(base as LoadBalancing | undefined, over as LoadBalancing);
}

/** Merges `signing` value by value: the key may come from the environment, and the rest from the options. */
function layRedis(base: unknown, over: unknown): unknown {
  if (!isRecord(base) || !isRecord(over)) return over;
  const merged = overlayGroup('redis', base, over);
  return isRecord(base.signing) && isRecord(over.signing)
    ? { ...merged, signing: overlayGroup('signing', base.signing, over.signing) }
    : merged;
}

function namesStrategy(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return value !== undefined;
  return (value as { strategy?: unknown }).strategy !== undefined;
}

function isGroup(name: string, value: unknown): value is Layer {
  return namesIn(name) !== null && isRecord(value);
}
