import { isIPv4, isIPv6 } from 'node:net';
import { invalidRequest, type Problem } from '../common/index.js';

export const SERVICE_NAME_PATTERN = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$/;
export const INSTANCE_ID_PATTERN = /^[A-Za-z0-9_](?:[A-Za-z0-9._:@-]{0,254}[A-Za-z0-9_])?$/;
const HOST_NAME_PATTERN =
  /^(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62}))*\.?$/;

export function isText(value: unknown): value is string {
  return typeof value === 'string';
}

export function isServiceName(value: unknown): boolean {
  return isText(value) && SERVICE_NAME_PATTERN.test(value);
}

export const LABEL_RULE = 'a text of 1 to 128 characters without spaces or slashes';

export function isLabel(value: unknown): boolean {
  return isText(value) && /^[^\s/\p{Cc}]{1,128}$/u.test(value);
}

export function isWholeNumber(value: unknown, min: number, max: number): boolean {
  return Number.isInteger(value) && (value as number) >= min && (value as number) <= max;
}

/** A URL parser must accept it too: `999.1.1.1` and `1.2.3.4.5` are neither addresses nor names. */
export function isHost(value: unknown): boolean {
  if (!isText(value)) return false;
  const host = withoutBrackets(value);
  // Node compiles its pattern of IPv6 addresses at the first use, for 3 ms of an app's start.
  if (host.includes(':') ? isIPv6(host) : isIPv4(host)) return !host.includes('%');
  return HOST_NAME_PATTERN.test(value) && URL.canParse(`http://${value}`);
}

/** `[::1]` is how a URL spells the host `::1`. */
export function withoutBrackets(host: string): string {
  const inner = /^\[(.*)\]$/.exec(host)?.[1];
  return inner !== undefined && isIPv6(inner) ? inner : host;
}

export function isPath(value: unknown): boolean {
  if (!isText(value) || value.length > 1_024) return false;
  return /^\/(?!\/)[\w\-.~!$&'()*+,;=:@/%]*$/.test(value) && !/\/(?:\.|%2e){2}(?:\/|$)/i.test(value);
}

/** The rule for a service name, as a noun phrase. */
export const SERVICE_NAME_RULE =
  'a name of 1 to 128 letters, digits, ".", "_" or "-" that starts and ends with a letter or digit';

/**
 * Rejects names that are no strings. A name that violates the rule for registrations is accepted here; it is simply
 * never found.
 * @param field how errors refer to the name
 * @throws ServiceDiscoveryError `INVALID_REQUEST`
 */
export function assertServiceName(name: unknown, field: string): asserts name is string {
  if (typeof name === 'string' && name !== '') return;
  throw invalidRequest([{ path: field, value: name, expected: 'the name of a service' }]);
}

/**
 * All problems of a list of service names: each wrong name by its index, or the list as a whole.
 * @param limit maximum number of names @default none
 */
export function findServiceNamesProblems(value: unknown, path: string, limit = Number.POSITIVE_INFINITY): Problem[] {
  if (!Array.isArray(value) || value.length > limit) {
    const expected = `a list of ${Number.isFinite(limit) ? `at most ${limit} ` : ''}names of services`;
    return [{ path, value, expected }];
  }
  // Copying fills holes, which `flatMap` would skip.
  return [...(value as unknown[])].flatMap((name, index) =>
    isServiceName(name) ? [] : [{ path: `${path}[${index}]`, value: name, expected: SERVICE_NAME_RULE }],
  );
}
