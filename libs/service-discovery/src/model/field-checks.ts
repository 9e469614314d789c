import { isIP, isIPv6 } from 'node:net';

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
  if (isIP(host) !== 0) return !host.includes('%');
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
